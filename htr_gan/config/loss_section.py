"""Section `loss`: what the generator is asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from htr_gan.config.section import Positive, Section, Weight

TERMS = ("pixel", "rec_feat", "ctc", "adv", "contrastive", "unpaired_pixel", "unpaired_ctc")
UNPAIRED_TERMS = ("unpaired_pixel", "unpaired_ctc")
"""The terms of the generator's loss, each a key of the section with its weight."""

Epochs = Annotated[int, Field(ge=0, le=100_000)]


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
    contrastive: Weight = 0.0
    """InfoNCE: of all texts in the batch, a restored line should be nearest to its own."""
    unpaired_pixel: Weight = 0.0
    """As `pixel`, for lines of section `unpaired`: against their own picture on white paper, so keep it well below `pixel`."""
    unpaired_ctc: Weight = 0.0
    """CTC of the recogniser's reading of restored lines of section `unpaired` against their transcription."""
    temperature: Positive = 0.1
    """Of the contrastive loss: the smaller, the more the nearest wrong text counts."""
    ctc_warmup_epochs: Epochs = 0
    """Epochs at the start in which the CTC term has no weight; it is computed and told."""
    ctc_anneal_epochs: Epochs = 0
    """Epochs after those in which its weight rises linearly; from the next one on it is `ctc`."""

    def weights(self) -> dict[str, float]:
        """The terms in force and their weights."""
        return {term: getattr(self, term) for term in TERMS if getattr(self, term)}
