"""Fits a task epoch by epoch, from where its checkpoint stands to the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from htr_gan.config.schema import Config, flatten
from htr_gan.data.order import line_visits
from htr_gan.errors import StopRequested
from htr_gan.events import EventSink
from htr_gan.stop import StopFlag
from htr_gan.training.callbacks.checkpointing import Checkpointing
from htr_gan.training.callbacks.evaluation import Evaluation
from htr_gan.training.callbacks.history import History
from htr_gan.training.callbacks.injecting import Injecting
from htr_gan.training.callbacks.reporting import Reporting, report_epoch
from htr_gan.training.callbacks.samples import Samples
from htr_gan.training.callbacks.step_guard import EpochGuard, StepGuard
from htr_gan.training.checkpoint_folder import Checkpoint, check_fit, load_arrays, save_checkpoint
from htr_gan.training.inject import Injection
from htr_gan.training.progress import Progress
from htr_gan.training.resume import changed_keys
from htr_gan.training.stepped import variable_arrays
from htr_gan.training.task import Task


@dataclass
class Loop:
    """One training: a task, its configuration, and the folder it writes to."""

    task: Task
    config: Config
    folder: Path
    events: EventSink
    stop: StopFlag
    injection: Injection | None = None
    label: str = ""
    """Put before each line on stdout."""
    progress: Progress = field(default_factory=Progress)
    extra: dict[str, Any] = field(default_factory=dict)
    """Kept in every checkpoint's meta.json."""

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take state and progress; CheckpointError if the network is another one."""
        arrays, variables = load_arrays(checkpoint.path), self.task.model.state_variables()
        check_fit(checkpoint.path, arrays, variable_arrays(self.task.model), changed_keys(checkpoint, self.config))
        for name, variable in variables.items():
            variable.assign(arrays[name])
        self.progress = checkpoint.progress

    def run(self) -> None:
        """Train to the last epoch; `StopRequested` leaves a checkpoint of exactly this step behind."""
        if self.progress.epochs_done >= self.config.train.epochs:
            self._report_again()
            return
        callbacks = self._callbacks()
        try:
            if self.progress.steps_done:
                self._fit(callbacks, 1, max(self.config.train.steps - self.progress.steps_done, 1))
            left = self.config.train.epochs - self.progress.epochs_done
            if left:
                self._fit(callbacks, left, self.config.train.steps)
        except StopRequested:
            if self.progress.steps_done:
                self.progress.partial_means = self.task.model.partial_means()
                self.save()
            raise

    def _report_again(self) -> None:
        """All epochs were done before: whoever reads only this attempt's events should see how it ended."""
        self.events.note(f"all {self.progress.epochs_done} epochs were done already; nothing is trained")
        if self.progress.history:
            report_epoch(self.progress.history[-1], self.config.train.epochs, self.events, self.label)

    def _fit(self, callbacks: list[Any], epochs: int, steps: int) -> None:
        train, first = self.config.train, self.progress.global_step
        per_step = train.batch * train.accumulation
        visits = line_visits(self.task.lines, self.config.seed, first, first + epochs * steps, per_step)
        self.task.model.fit(
            self.task.batches(visits),
            initial_epoch=self.progress.epochs_done,
            epochs=self.progress.epochs_done + epochs,
            steps_per_epoch=steps,
            validation_data=self.task.held_out_batches(),
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )

    def _callbacks(self) -> list[Any]:
        train, progress, task = self.config.train, self.progress, self.task
        callbacks: list[Any] = [
            keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _logs: task.begin_epoch(epoch)),
            StepGuard(progress, train.steps, self.stop),
            Evaluation(task.error_rates, self._rate),
            History(progress, task.score, self.folder),
            Reporting(progress, train.epochs, train.steps, self.events, self.label),
        ]
        if task.panels is not None:
            callbacks.append(Samples(progress, task.panels, self.folder, self.events))
        callbacks += [Checkpointing(self.save), EpochGuard(progress, train.epochs, self.stop)]
        if self.injection is not None:
            callbacks.append(Injecting(self.injection, progress, train.batch))
        return callbacks

    def _rate(self) -> float:
        return float(self.task.model.optimizer.learning_rate)

    def save(self) -> None:
        """Write a checkpoint of this very moment and tell it."""
        meta = {"config": flatten(self.config), **self.extra}
        path = save_checkpoint(self.folder, variable_arrays(self.task.model), self.progress, meta)
        relative = path.relative_to(self.folder)
        self.events.emit("checkpoint", path=str(relative), epoch=self.progress.epochs_done)
