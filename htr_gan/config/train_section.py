"""Section `train`: how long and how fast."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from htr_gan.config.section import Positive, Share
from htr_gan.config.train_rules import GanKeepConfig, KeepConfig, TrainRules

Precision = Literal["float32", "mixed_bfloat16", "auto"]


class TrainConfig(TrainRules):
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
    keep: KeepConfig = KeepConfig()
    clipnorm: Positive = 1.0
    """Limit of each gradient's norm."""
    precision: Precision = "float32"
    """In what layers compute; auto: mixed_bfloat16 where CPU or GPU has it. Weights and losses stay float32."""


class GanTrainConfig(TrainConfig):
    """How long and how fast, for two networks."""

    keep: GanKeepConfig = GanKeepConfig()
    optimizer: Literal["adam", "muon"] = "adam"
    """Of the generator; muon (orthogonalised steps of its kernels) learns faster and wants a rate about 7 times as high."""
    discriminator_lr: Positive = 4e-4
    """Learning rate of the discriminator, constant."""
    contrast_lr: Positive = 1e-3
    """Learning rate of the contrastive loss's network, constant."""
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
