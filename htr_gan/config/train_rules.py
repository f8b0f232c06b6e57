"""Parts of section `train`: which checkpoints stay, when to stop early, how the rate falls, callbacks of the user."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from htr_gan.config.section import Section
from htr_gan.expression import ExpressionError, parse_expression


def _can_be_read(text: str) -> str:
    try:
        parse_expression(text)
    except ExpressionError as error:
        raise ValueError(f"not a formula: {error}") from None
    return text


Formula = Annotated[str, AfterValidator(_can_be_read)]
"""A formula over metrics (`htr_gan.expression`); which metrics there are is known when training starts."""

Mode = Literal["max", "min"]

GAN_SCORE = "val/psnr + val/ssim - 100 * val/cer"
"""dB, plus one for perfect structure, minus one for each percent of wrong characters."""
RECOGNIZER_SCORE = "-val/cer"


class KeepConfig(Section):
    """Which checkpoints stay on the disk: the newest and the best."""

    last: Annotated[int, Field(ge=1, le=1000)] = 2
    """The newest checkpoints that stay."""
    best: Formula = RECOGNIZER_SCORE
    """The epoch with the highest value is the best one and stays too."""


class GanKeepConfig(KeepConfig):
    """Which checkpoints stay on the disk: the newest and the best."""

    best: Formula = GAN_SCORE


class StopRule(Section):
    """One reason to go on: something still gets better."""

    metric: Formula
    """A metric or a formula over metrics."""
    mode: Mode = "max"
    """Whether higher or lower is better."""
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """What is not better by more than this is no better."""
    patience: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Epochs without an improvement after which the rule has run out."""


class EarlyStopConfig(Section):
    """When a training ends before its last epoch; without rules it does not."""

    rules: tuple[StopRule, ...] = ()
    """What is watched."""
    when: Literal["all", "any"] = "all"
    """Stop when all rules have run out, or any."""
    restore_best: bool = False
    """Put the weights of the best epoch (`train.keep.best`) back at the end, and write them to DIR/final."""


class PlateauConfig(Section):
    """Schedule `plateau`: the rate falls when something no longer gets better."""

    metric: Formula = "loss/total"
    """A metric or a formula over metrics."""
    mode: Mode = "min"
    """Whether higher or lower is better."""
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """What is not better by more than this is no better."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The rate is multiplied by this."""
    patience: Annotated[int, Field(ge=1, le=100_000)] = 3
    """Epochs without an improvement before the rate falls."""
    min_lr: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """The rate falls no lower."""


class HookConfig(Section):
    """A callback of the user."""

    path: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """`package.module:Class`, a subclass of `htr_gan.training.hooks.Hook`."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 50
    """Lower ones are called first; equal ones in their order here."""
    options: dict[str, Any] = {}
    """Arguments by name for the class."""


class TrainRules(Section):
    """What the sections `train` of both tasks share beside numbers of steps and rates."""

    schedule: Literal["cosine", "step", "plateau", "constant"] = "cosine"
    """How the learning rate falls after its warm-up."""
    step_epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    """Schedule `step`: epochs between two falls of the rate."""
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Schedule `step`: the rate is multiplied by this each time."""
    plateau: PlateauConfig = PlateauConfig()
    early_stop: EarlyStopConfig = EarlyStopConfig()
    tensorboard: bool = False
    """Write event files for TensorBoard into DIR/tensorboard."""
    callbacks: tuple[HookConfig, ...] = ()
    """Callbacks of the user, by import path."""
    callbacks_from: Path | None = None
    """A folder whose modules `callbacks` may name; empty: installed modules only."""
