"""Section `model`: the networks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from htr_gan.config.section import Section

Family = Literal["conv", "resnet18", "efficientnet-b0", "ctc", "transformer"]
Units = Annotated[int, Field(ge=2, le=2048)]
Channels = Annotated[int, Field(ge=2, le=512)]


class RecognizerModelConfig(Section):
    """A CNN over the line, a context over its columns, CTC."""

    family: Family = "conv"
    """conv: small CNN + BiLSTM; resnet18, efficientnet-b0: those features + BiLSTM; ctc: CNN alone; transformer."""
    width: Channels = 16
    """Channels of the first convolution; the others are multiples (standard: resnet18 64, efficientnet-b0 32)."""
    deep: bool = False
    """A second convolution in the last stage of conv, ctc and transformer."""
    step_columns: Literal[4, 8] = 4
    """Picture columns behind one time step of the output."""
    lstm: Units = 64
    """Units of the LSTM in each direction; in family ctc the channels of its convolutions along the line."""
    lstm_layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Bidirectional LSTMs, one over the other; in family ctc the convolutions along the line."""
    encoder_layers: Annotated[int, Field(ge=1, le=24)] = 6
    """Encoder layers of the transformer."""
    heads: Annotated[int, Field(ge=1, le=32)] = 8
    """Attention heads of each encoder layer; they divide `d_model` among themselves."""
    d_model: Annotated[int, Field(ge=2, le=2048, multiple_of=2)] = 512
    """Features of a time step in the transformer."""
    feed_forward: Annotated[int, Field(ge=2, le=8192)] = 2048
    """Units between the two dense layers of each encoder layer."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of values that training drops at random: before the output, between LSTMs, in encoder layers."""
    use_cudnn: bool = True
    """Use the cuDNN kernel of the LSTM where a GPU has one; false: never."""

    @property
    def columns_per_step(self) -> int:
        """Picture columns behind one time step; what texts may be long depends on it."""
        return self.step_columns

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> RecognizerModelConfig:
        if self.family == "transformer" and self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of heads {self.heads}")
        return self


class GanModelConfig(Section):
    """U-Net generator and dual-modal discriminator."""

    generator: Literal["unet", "lean"] = "unet"
    """lean: a U-Net with one normalisation a block and transposed convolutions, a fifth cheaper on a CPU."""
    width: Channels = 12
    """Channels of the generator's first level, doubled on each level below."""
    levels: Annotated[int, Field(ge=1, le=4)] = 3
    """Levels of the generator above its bottleneck; each halves the line, whose sides are multiples of 16."""
    norm: Literal["batch", "group", "none"] = "batch"
    """Normalisation in the generator; without `batch` accumulated gradients equal those of the large batch exactly."""
    residual: bool = False
    """Each block of the generator adds its input to its output."""
    attention: bool = False
    """Attention gates on the generator's skips."""
    passes: Literal[1, 2] = 1
    """2: a second U-Net of its own weights sees the degraded line and what the first one made of it."""
    discriminator_width: Channels = 16
    """Channels of the discriminator's first convolution, doubled at each further one."""
    discriminator_levels: Annotated[int, Field(ge=1, le=4)] = 3
    """Convolutions of the discriminator; each halves both sides of the line."""
    discriminator_pool: Literal["global", "flatten"] = "global"
    """How its last map becomes a vector; flatten, a huge dense layer, is there to reproduce older experiments."""
    discriminator_dense: Annotated[int, Field(ge=2, le=4096)] = 512
    """Units of that dense layer; unused with `global`."""
    discriminator_text: Literal["predicted", "ground_truth"] = "predicted"
    """The text beside each line: what the recogniser reads in it, or the transcription in real and fake pairs alike."""
    text_lstm: Units = 32
    """Units of the discriminator's text branch."""
    contrast_lstm: Units = 64
    """Units of the contrastive loss's text encoder in each direction."""
    use_cudnn: bool = True
    """Use the cuDNN kernel of LSTMs where a GPU has one; false: never (masked texts cannot trip its assertion)."""

    @model_validator(mode="after")
    def _lean_has_no_options(self) -> GanModelConfig:
        if self.generator == "lean" and (self.residual or self.attention or self.passes != 1):
            raise ValueError("generator lean has no residual, attention or second pass; unet has")
        return self
