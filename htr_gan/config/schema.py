"""The configuration of a training run: its tasks, each made of sections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from htr_gan.config.data_section import DataConfig
from htr_gan.config.loss_section import UNPAIRED_TERMS, LossConfig
from htr_gan.config.model_section import GanModelConfig, RecognizerModelConfig
from htr_gan.config.section import Section
from htr_gan.config.train_section import GanTrainConfig, RecognizerTrainConfig
from htr_gan.config.unpaired_section import UnpairedConfig


class RecognizerRef(Section):
    """Which recogniser guides the generator: shared by all trials that name the same configuration."""

    config: Path = Path("../recognizer/tiny.yaml")
    """Recogniser configuration, relative to the file that names it; trained once and kept in the cache folder."""
    path: Path | None = None
    """A trained recogniser's folder (with weights.npz) instead of the shared one."""
    keep_features: bool | Literal["auto"] = "auto"
    """Keep the features of clean lines in the cache folder; auto: up to 4 GB of them. Else each step computes them."""


class RecognizerConfig(Section):
    """Task `recognizer`: learn to read clean lines."""

    task: Literal["recognizer"]
    """What is trained."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Initial weights and data order."""
    cache_dir: Path | None = None
    """Rendered lines and shared recognisers; empty: $HTR_GAN_CACHE, or .cache/htr-gan in the current folder."""
    init: Path | None = None
    """A trained recogniser's folder (with weights.npz) whose weights are the first ones; empty: random weights."""
    data: DataConfig = DataConfig()
    model: RecognizerModelConfig = RecognizerModelConfig()
    train: RecognizerTrainConfig = RecognizerTrainConfig()

    @model_validator(mode="after")
    def _steps_hold_the_text(self) -> RecognizerConfig:
        steps = self.data.width // self.model.columns_per_step
        if self.data.text_length > steps:
            raise ValueError(f"text_length {self.data.text_length} does not fit the {steps} time steps of the model")
        return self


class GanConfig(Section):
    """Task `gan`: learn to restore degraded lines under the eye of a frozen recogniser."""

    task: Literal["gan"]
    """What is trained."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Initial weights and data order."""
    cache_dir: Path | None = None
    """Rendered lines and shared recognisers; empty: $HTR_GAN_CACHE, or .cache/htr-gan in the current folder."""
    data: DataConfig = DataConfig()
    unpaired: UnpairedConfig = UnpairedConfig()
    recognizer: RecognizerRef = RecognizerRef()
    model: GanModelConfig = GanModelConfig()
    loss: LossConfig = LossConfig()
    train: GanTrainConfig = GanTrainConfig()

    @model_validator(mode="after")
    def _augments_no_pairs(self) -> GanConfig:
        if self.data.augment != "none":
            raise ValueError("data.augment is for task recognizer; a GAN's lines vary by data.degrade: every_pass")
        return self

    @model_validator(mode="after")
    def _unpaired_lines_have_a_say(self) -> GanConfig:
        weighted = any(getattr(self.loss, term) for term in UNPAIRED_TERMS)
        if self.unpaired.sources and not weighted:
            raise ValueError("unpaired.sources are named, but loss.unpaired_ctc and loss.unpaired_pixel are 0")
        if weighted and not self.unpaired.sources:
            raise ValueError("loss.unpaired_ctc and loss.unpaired_pixel need lines: unpaired.sources")
        return self

    @model_validator(mode="after")
    def _has_a_loss(self) -> GanConfig:
        if not self.loss.weights():
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
