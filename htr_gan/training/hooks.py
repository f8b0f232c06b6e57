"""Callbacks of the user: subclass `Hook`, name the class under `train.callbacks` (docs/trainer-training.md).

A hook gets plain records, each call fresh copies, and neither the model nor its state: what it does cannot change the
numbers of a run. What it raises ends the run with an error that names it. No TensorFlow in here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_gan.errors import GanError


class HookError(GanError):
    """A callback of the user raised; exit 1."""


@dataclass(frozen=True)
class RunRecord:
    """A training that begins or goes on."""

    folder: Path
    task: str
    epochs: int
    steps: int
    """Optimizer steps an epoch."""
    epochs_done: int
    params: dict[str, Any]
    """All values of the configuration in force, `{"train.batch": 8, ...}`."""


@dataclass(frozen=True)
class EpochRecord:
    """An epoch, from 1."""

    epoch: int
    epochs: int
    values: dict[str, float]
    """What was measured; empty when the epoch begins."""
    best_epoch: int
    """0 before the first epoch has ended."""


@dataclass(frozen=True)
class CheckpointRecord:
    """A checkpoint that is on the disk."""

    path: Path
    epochs_done: int
    steps_done: int
    """Steps in the epoch that is not finished; 0 at the end of an epoch."""


@dataclass(frozen=True)
class EarlyStopRecord:
    """Training ends before its last epoch."""

    epoch: int
    reason: str


@dataclass(frozen=True)
class EndRecord:
    """Training is over."""

    folder: Path
    status: str
    """`complete` or `stopped` (by the user); a training that fails is not told."""
    epochs_done: int
    best_epoch: int


class Hook:
    """Does nothing at every occasion; override what is of interest. Options of the configuration go to `__init__`."""

    def train_begin(self, record: RunRecord) -> None:
        """Before the first step of this process."""

    def epoch_begin(self, record: EpochRecord) -> None:
        """As an epoch begins, or goes on after a stop within it."""

    def validation_end(self, record: EpochRecord) -> None:
        """The held-out lines of an epoch were measured; nothing is saved yet."""

    def early_stop(self, record: EarlyStopRecord) -> None:
        """This epoch is the last; its checkpoint follows."""

    def checkpoint_saved(self, record: CheckpointRecord) -> None:
        """A checkpoint is on the disk."""

    def epoch_end(self, record: EpochRecord) -> None:
        """Everything about an epoch is done."""

    def train_end(self, record: EndRecord) -> None:
        """After the last step of this process."""


@dataclass(frozen=True)
class NamedHook:
    """A hook under the name that the user knows it by."""

    name: str
    hook: Hook


class Hooks:
    """All hooks of a run, in their order."""

    def __init__(self, hooks: Sequence[NamedHook] = ()) -> None:
        self._hooks = tuple(hooks)

    def call(self, occasion: str, make_record: Callable[[], Any]) -> None:
        """Tell each hook, with a record of its own; HookError if one raises."""
        for named in self._hooks:
            record = make_record()
            try:
                getattr(named.hook, occasion)(record)
            except Exception as error:
                raise HookError(
                    f"callback {named.name} failed in {occasion}: {type(error).__name__}: {error}",
                    "The run ends; its checkpoints are good.",
                    "correct it or take it out of train.callbacks, and start again: the run goes on",
                ) from error


NO_HOOKS = Hooks()
"""Of a training without callbacks of the user."""
