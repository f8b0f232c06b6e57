"""Section `loss`: what the generator is asked for."""

from __future__ import annotations

from htr_gan.config.section import Section, Weight


class LossConfig(Section):
    """Weights of the generator's loss terms; a term of weight 0 is not computed."""

    pixel: Weight = 100.0
    """Mean absolute difference of pixels."""
    rec_feat: Weight = 50.0
    """Mean squared difference of the recogniser's CNN features."""
    ctc: Weight = 0.0
    """CTC of the recogniser's reading against the transcription."""
    adv: Weight = 1.0
    """Adversarial: the discriminator should take the restored line and its text for real."""
