"""The configuration of a training run: frozen models, unknown keys forbidden, one sentence a field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FONTS = ("caveat", "dancing-script", "delius", "indie-flower", "kalam", "satisfy", "shadows-into-light", "zeyada")

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, use_attribute_docstrings=True)


class DataConfig(Section):
    """Lines of handwriting: rendered on the spot, or read from a folder that `htr-gan data` wrote."""

    path: Path | None = None
    """Folder made by `htr-gan data`; empty: render, and keep the result in the cache folder."""
    lines: Annotated[int, Field(ge=1, le=1_000_000)] = 4000
    """Training lines."""
    held_out: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Lines that are measured and never trained on; they come from another seed."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Lines depend on this number and their index, and on nothing else."""
    height: Annotated[int, Field(ge=16, le=256, multiple_of=16)] = 32
    """Pixels."""
    width: Annotated[int, Field(ge=32, le=4096, multiple_of=16)] = 256
    """Pixels."""
    text_length: Annotated[int, Field(ge=1, le=200)] = 22
    """The longest text, in letters."""
    fonts: Annotated[tuple[str, ...], Field(min_length=1)] = FONTS
    """Handwriting families, each an installed package `fontpkg-NAME`."""
    strength: Annotated[float, Field(ge=0, le=2)] = 0.7
    """How badly lines are degraded: multiplies bleed-through, stains, blur and noise."""
    workers: Annotated[int, Field(ge=0, le=64)] = 2
    """Processes that render; 0 renders in this process."""

    @field_validator("fonts")
    @classmethod
    def _fonts_are_names(cls, fonts: tuple[str, ...]) -> tuple[str, ...]:
        for name in fonts:
            if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
                raise ValueError(f"{name!r} is not the name of a font package")
        return fonts

    @model_validator(mode="after")
    def _text_can_be_read(self) -> DataConfig:
        # One CTC step is four columns wide, and double letters need a blank between them.
        if self.text_length * 2 > self.width // 4:
            raise ValueError(
                f"text_length {self.text_length} does not fit a width of {self.width}: at most {self.width // 8}"
            )
        return self


class TrainConfig(Section):
    """How long and how fast."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 6
    """Each ends with a validation, a checkpoint and a sample."""
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 25
    """Optimizer steps an epoch."""
    batch: Annotated[int, Field(ge=1, le=4096)] = 8
    """Lines that are in memory at once."""
    accumulation: Annotated[int, Field(ge=1, le=1024)] = 1
    """Batches whose gradients are averaged for one optimizer step; the effective batch is batch x accumulation."""
    lr: Positive = 1e-3
    """Highest learning rate."""
    warmup: Share = 0.05
    """Share of all steps in which the rate rises to `lr`."""
    final_lr: Share = 0.02
    """Share of `lr` that is left at the end of the cosine."""
    clipnorm: Positive = 1.0
    """Limit of each gradient's norm."""


class GanTrainConfig(TrainConfig):
    """How long and how fast, for two networks."""

    discriminator_lr: Positive = 4e-4
    """Learning rate of the discriminator, constant."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    """Real pairs count as 1 minus this, so that the discriminator never gets certain."""
    samples: Annotated[int, Field(ge=0, le=64)] = 4
    """Held-out lines in the sample picture of an epoch; 0 for no picture."""


class RecognizerTrainConfig(TrainConfig):
    """How long and how fast, for the recogniser."""

    batch: Annotated[int, Field(ge=1, le=4096)] = 32
    lr: Positive = 3e-3
    warmup: Share = 0.1
    final_lr: Share = 0.01
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 50


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


class RecognizerRef(Section):
    """Which recogniser guides the generator: shared by all trials that name the same configuration."""

    config: Path = Path("../recognizer/tiny.yaml")
    """Recogniser configuration, relative to the file that names it; trained once and kept in the cache folder."""
    path: Path | None = None
    """A trained recogniser's folder (with weights.npz) instead of the shared one."""


class RecognizerConfig(Section):
    """Task `recognizer`: learn to read clean lines."""

    task: Literal["recognizer"]
    """What is trained."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Initial weights and data order."""
    cache_dir: Path | None = None
    """Rendered lines and shared recognisers; empty: $HTR_GAN_CACHE, or .cache/htr-gan in the current folder."""
    data: DataConfig = DataConfig()
    model: RecognizerModelConfig = RecognizerModelConfig()
    train: RecognizerTrainConfig = RecognizerTrainConfig()


class GanConfig(Section):
    """Task `gan`: learn to restore degraded lines under the eye of a frozen recogniser."""

    task: Literal["gan"]
    """What is trained."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Initial weights and data order."""
    cache_dir: Path | None = None
    """Rendered lines and shared recognisers; empty: $HTR_GAN_CACHE, or .cache/htr-gan in the current folder."""
    data: DataConfig = DataConfig()
    recognizer: RecognizerRef = RecognizerRef()
    model: GanModelConfig = GanModelConfig()
    loss: LossConfig = LossConfig()
    train: GanTrainConfig = GanTrainConfig()

    @model_validator(mode="after")
    def _has_a_loss(self) -> GanConfig:
        if not any((self.loss.pixel, self.loss.rec_feat, self.loss.ctc, self.loss.adv)):
            raise ValueError("all loss weights are 0: there is nothing to learn")
        return self


TASKS: dict[str, type[RecognizerConfig] | type[GanConfig]] = {"recognizer": RecognizerConfig, "gan": GanConfig}

Config = RecognizerConfig | GanConfig


def flatten(config: BaseModel) -> dict[str, Any]:
    """The values in force as {"train.batch": 8, ...}; paths and lists as text."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{prefix}.{key}" if prefix else key, item)
        elif isinstance(value, list):
            flat[prefix] = ", ".join(str(item) for item in value)
        else:
            flat[prefix] = value

    walk("", config.model_dump(mode="json"))
    return flat
