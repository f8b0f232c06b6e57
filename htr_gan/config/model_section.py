"""Section `model`: the networks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from htr_gan.config.section import Section


class RecognizerModelConfig(Section):
    """CNN, bidirectional LSTM, CTC."""

    width: Annotated[int, Field(ge=2, le=512)] = 16
    """Channels of the first convolution; the others are 2, 3, 3 and 4 times as wide."""
    lstm: Annotated[int, Field(ge=2, le=2048)] = 64
    """Units of the LSTM in each direction."""
    use_cudnn: bool = True
    """Use the cuDNN kernel of the LSTM where a GPU has one; false: never."""


class GanModelConfig(Section):
    """U-Net generator and dual-modal discriminator."""

    width: Annotated[int, Field(ge=2, le=512)] = 12
    """Channels of the generator's first level, doubled on each level below."""
    levels: Annotated[int, Field(ge=1, le=4)] = 3
    """Levels of the generator above its bottleneck; each halves the line, whose sides are multiples of 16."""
    norm: Literal["batch", "none"] = "batch"
    """Normalisation in the generator; with `none` accumulated gradients equal those of the large batch exactly."""
    discriminator_width: Annotated[int, Field(ge=2, le=512)] = 16
    """Channels of the discriminator's first convolution, doubled twice."""
    text_lstm: Annotated[int, Field(ge=2, le=2048)] = 32
    """Units of the discriminator's text branch."""
    use_cudnn: bool = True
    """Use the cuDNN kernel of LSTMs where a GPU has one; false: never (masked texts cannot trip its assertion)."""
