"""Fits a task epoch by epoch, from where its checkpoint stands to the end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from htr_gan.config.schema import Config, flatten
from htr_gan.data.order import line_visits
from htr_gan.errors import CheckpointError, StopRequested
from htr_gan.events import EventSink
from htr_gan.expression import parse_expression
from htr_gan.files import folder_written_whole, sweep_leftovers
from htr_gan.stop import StopFlag
from htr_gan.training.callbacks.checkpointing import Checkpointing
from htr_gan.training.callbacks.early_stopping import EarlyStopping, stopped_because
from htr_gan.training.callbacks.evaluation import Evaluation
from htr_gan.training.callbacks.history import History
from htr_gan.training.callbacks.hooking import Hooking
from htr_gan.training.callbacks.injecting import Injecting
from htr_gan.training.callbacks.plateau import PlateauRate
from htr_gan.training.callbacks.reporting import Reporting, report_epoch
from htr_gan.training.callbacks.samples import Samples
from htr_gan.training.callbacks.step_guard import EpochGuard, StepGuard, refuse_spoilt
from htr_gan.training.callbacks.tensorboard import TensorBoardEvents
from htr_gan.training.checkpoint_folder import (
    Checkpoint,
    best_checkpoint,
    check_fit,
    checkpoint_ages,
    load_arrays,
    save_checkpoint,
)
from htr_gan.training.formulas import check_formulas
from htr_gan.training.hooks import CheckpointRecord, EarlyStopRecord, EndRecord, Hooks, RunRecord
from htr_gan.training.inject import Injection
from htr_gan.training.memory import describe_memory, peak_memory
from htr_gan.training.progress import Progress
from htr_gan.training.resume import changed_keys
from htr_gan.training.schedule import Plateau
from htr_gan.training.stepped import variable_arrays
from htr_gan.training.summary import write_summary
from htr_gan.training.task import Task

FINAL = "final"
"""The best epoch's checkpoint again, if `train.early_stop.restore_best` asks for it."""


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
    hooks: Hooks = field(default_factory=Hooks)
    """The user's callbacks."""

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take state and progress; CheckpointError if the network is another one."""
        arrays, here = load_arrays(checkpoint.path), variable_arrays(self.task.model)
        check_fit(checkpoint.path, arrays, here, changed_keys(checkpoint, self.config))
        if here.keys() - arrays.keys():
            self.events.note("the checkpoint has no seeds of dropout; what is dropped from here on is drawn afresh")
        self._assign(arrays)
        self.progress = checkpoint.progress

    def _assign(self, arrays: dict[str, Any]) -> None:
        for name, variable in self.task.model.state_variables().items():
            if name in arrays:
                variable.assign(arrays[name])

    def run(self) -> None:
        """Train to the last epoch; `StopRequested` leaves a checkpoint of exactly this step behind."""
        check_formulas(self.config.train, self.task)
        self._look_for_the_best_again()
        was_over = self.is_over
        if was_over:
            self._report_again()
        else:
            self._train()
        if self.config.train.early_stop.restore_best:
            self.restore_best()
            self._write_final()
        self.events.note(f"peak memory: {describe_memory(peak_memory())}")
        if not was_over:
            self.hooks.call("train_end", lambda: self._end_record("complete"))

    def _look_for_the_best_again(self) -> None:
        """Another `train.keep.best` than before: which of the epochs that are still on the disk is the best now?"""
        keep, progress = self.config.train.keep, self.progress
        if keep.best == (progress.best_formula or type(keep)().best):
            return
        there = {number for number, _ in checkpoint_ages(self.folder)}
        progress.choose_best(parse_expression(keep.best), there)

    @property
    def is_over(self) -> bool:
        """All epochs are done, or early stopping ended the training."""
        return self.progress.epochs_done >= self.config.train.epochs or bool(self.stopped_early)

    @property
    def stopped_early(self) -> str:
        """Why early stopping ended the training; empty if it did not."""
        return stopped_because(self.progress, self.config.train.early_stop)

    def _train(self) -> None:
        train = self.config.train
        self.hooks.call("train_begin", self._run_record)
        callbacks = self._callbacks()
        try:
            if self.progress.steps_done:
                self._fit(callbacks, 1, max(train.steps - self.progress.steps_done, 1))
            if not self.is_over:
                self._fit(callbacks, train.epochs - self.progress.epochs_done, train.steps)
        except StopRequested:
            if self.progress.steps_done:
                refuse_spoilt(self.task.model, self.progress)
                self.progress.partial_means = self.task.model.partial_means()
                self.save()
            self.hooks.call("train_end", lambda: self._end_record("stopped"))
            raise

    def _report_again(self) -> None:
        """The training was over before: whoever reads only this attempt's events should see how it ended."""
        done, why = self.progress.epochs_done, self.stopped_early
        if why:
            message = f"stopped early at epoch {done} before ({why}); nothing is trained until train.early_stop changes"
        else:
            message = f"all {done} epochs were done already; nothing is trained"
        self.events.note(message)
        if self.progress.history:
            report_epoch(self.progress.history[-1], self.config.train.epochs, self.events, self.label)

    def restore_best(self) -> int:
        """Put the state of the best epoch into the model; returns the epoch, the last one if the best is gone."""
        progress = self.progress
        if progress.best_epoch == progress.epochs_done:
            return progress.epochs_done
        path = best_checkpoint(self.folder, progress)
        try:
            self._assign(load_arrays(path))
        except CheckpointError as error:
            self.events.note(f"{error.title}; the state stays that of the last epoch", "warning")
            return progress.epochs_done
        return progress.best_epoch

    def _write_final(self) -> None:
        """Whole or not at all; the bytes are those of the best checkpoint."""
        best, final = best_checkpoint(self.folder, self.progress), self.folder / FINAL
        if not best.is_dir():
            return
        sweep_leftovers(final)
        with folder_written_whole(final) as fresh:
            for file in best.iterdir():
                shutil.copyfile(file, fresh / file.name)
        self.events.note(f"the best epoch, {self.progress.best_epoch}, is the final state, in {FINAL}")

    def summarise(self) -> None:
        """`summary.md`, when all other files of the run are there."""
        remarks = [f"peak memory: {describe_memory(peak_memory())}"]
        if self.stopped_early:
            remarks.append(f"stopped early at epoch {self.progress.epochs_done}: {self.stopped_early}")
        if self.progress.history:
            write_summary(self.folder, self.config, self.progress, remarks)

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
        """In their order: what measures, what keeps, what decides, what shows, what saves, what ends."""
        train, progress, task = self.config.train, self.progress, self.task
        callbacks: list[Any] = [
            keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _logs: task.begin_epoch(epoch)),
            StepGuard(progress, train.steps, self.stop),
            Evaluation(task.error_rates, self._rate),
            Hooking(self.hooks, "validation_end", progress, train.epochs),
            History(progress, parse_expression(train.keep.best), self.folder),
            *self._deciding(),
            Reporting(progress, train.epochs, train.steps, self.events, self.label),
        ]
        if task.panels is not None:
            callbacks.append(Samples(progress, task.panels, self.folder, self.events))
        if train.tensorboard:
            callbacks.append(TensorBoardEvents(progress, task.panels, self.folder, self.events))
        callbacks += [
            Checkpointing(self.save),
            Hooking(self.hooks, "epoch_end", progress, train.epochs),
            EpochGuard(progress, train.epochs, self.stop),
        ]
        if self.injection is not None:
            callbacks.append(Injecting(self.injection, progress, train.batch))
        return callbacks

    def _deciding(self) -> list[Any]:
        train, callbacks = self.config.train, []
        if train.early_stop.rules:
            callbacks.append(EarlyStopping(self.progress, train.early_stop, train.epochs, self._tell_early_stop))
        if isinstance(self.task.model.schedule, Plateau):
            callbacks.append(PlateauRate(self.progress, self.task.model.schedule, train, self.events))
        return callbacks

    def _tell_early_stop(self, reason: str) -> None:
        epoch = self.progress.epochs_done
        self.events.note(f"stopped early at epoch {epoch}: {reason}")
        self.hooks.call("early_stop", lambda: EarlyStopRecord(epoch, reason))

    def _rate(self) -> float:
        return float(self.task.model.optimizer.learning_rate)

    def save(self) -> None:
        """Write a checkpoint of this very moment and tell it."""
        meta = {"config": flatten(self.config), **self.extra}
        arrays = variable_arrays(self.task.model)
        path = save_checkpoint(self.folder, arrays, self.progress, meta, self.config.train.keep.last)
        relative = path.relative_to(self.folder)
        self.events.emit("checkpoint", path=str(relative), epoch=self.progress.epochs_done)
        progress = self.progress
        self.hooks.call("checkpoint_saved", lambda: CheckpointRecord(path, progress.epochs_done, progress.steps_done))

    def _run_record(self) -> RunRecord:
        train = self.config.train
        done = self.progress.epochs_done
        return RunRecord(self.folder, self.config.task, train.epochs, train.steps, done, flatten(self.config))

    def _end_record(self, status: str) -> EndRecord:
        return EndRecord(self.folder, status, self.progress.epochs_done, self.progress.best_epoch)
