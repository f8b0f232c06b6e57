"""From the study file's `metrics` to what collects them, and when an attempt that needs MLflow may start."""

from __future__ import annotations

import glob
import time
from pathlib import Path

from htr_tui.errors import UsageError
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.metrics.collector import Collector, Source
from htr_tui.metrics.csv_source import CsvSource
from htr_tui.metrics.epochs import EpochRule
from htr_tui.metrics.growing import Place
from htr_tui.metrics.json_source import JsonSource
from htr_tui.metrics.log_source import LogSource
from htr_tui.metrics.tensorboard_source import TensorboardSource
from htr_tui.study.command import CommandContext
from htr_tui.study.metrics_spec import CsvMetrics, JsonMetrics, LogMetrics, MlflowMetrics, TensorboardMetrics
from htr_tui.study.rendering import folder_of
from htr_tui.study.spec import StudySpec
from htr_tui.study.trainer_spec import TAKEN_NAMES
from htr_tui.study.words import MissingValueError, parse, value_text
from htr_tui.supervisor.prepare import attempt_context
from htr_tui.tracking.state import run_id_of, tracking_status

LAST_WORD_S = 120.0
"""How long the last values of an attempt are waited for after its end."""
STOPPED_LAST_WORD_S = 5.0
"""The same where we ended it: `stop --now` does not wait for a tracking server that is down."""


class AttemptCollector:
    """Collects the metrics of one attempt from where the study says; nothing to do for `events`."""

    def __init__(self, collector: Collector | None, *, waits_for: str | None = None, trouble: str = "") -> None:
        self._collector = collector
        self._waits_for = waits_for
        """The source that another process collects; its last word is a `collected` event."""
        self._trouble = trouble
        self._fault = ""
        """A mistake of ours or a file beyond all bounds; what was read then is lost."""
        self._ended_at: float | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else than the trainer writes the metrics into its events."""
        return self._collector is not None or self._waits_for is not None or bool(self._trouble)

    @property
    def skipped(self) -> int:
        """What could not be taken as a metric."""
        return self._collector.skipped if self._collector else 0

    @property
    def trouble(self) -> str:
        """Why nothing (more) was found, in words; empty where all is well."""
        return self._trouble or self._fault or (self._collector.trouble if self._collector else "")

    def collect(self) -> None:
        """Bring on what is new; a bounded piece."""
        if self._collector is not None:
            self._bring(self._collector, final=False)

    def _bring(self, collector: Collector, *, final: bool) -> bool:
        """Like `Collector.collect`; a full disk is waited for, a folder that somebody removed is not."""
        try:
            self._trouble = ""
            return collector.collect(final=final)
        except OSError as error:
            self._trouble = f"its metrics cannot be written: {error.strerror}"
            return isinstance(error, FileNotFoundError)
        except Exception as error:
            # Whatever a file of somebody else does to a reader, the study goes on without that file.
            self._fault = f"some of its metrics could not be read: {type(error).__name__}: {error}"
            return True

    def finish(self, collected: frozenset[str], patience_s: float = LAST_WORD_S) -> bool:
        """Bring on the last values of an attempt that is over; True once there is nothing to wait for.

        `collected`: sources that have said their last word.
        """
        now = time.monotonic()
        self._ended_at = now if self._ended_at is None else self._ended_at
        if self._collector is not None:
            is_done = self._bring(self._collector, final=True)
        else:
            is_done = self._waits_for is None or self._waits_for in collected
        if not is_done and now - self._ended_at > patience_s:
            source = self._waits_for or (self._collector.name if self._collector else "")
            self._trouble = f"the last values from {source} did not come within {patience_s:.0f} s"
            return True
        return is_done


def attempt_collector(
    spec: StudySpec, paths: StudyPaths, base: Path, trial: TrialRecord, attempt: AttemptRecord
) -> AttemptCollector:
    """What collects the metrics of an attempt of the study that was launched in `base`."""
    metrics = spec.trainer.metrics
    if isinstance(metrics, MlflowMetrics):
        return AttemptCollector(None, waits_for=metrics.kind)
    try:
        source = _source(spec, paths, base, trial, attempt)
    except (UsageError, MissingValueError) as error:
        return AttemptCollector(None, trouble=f"the path of its metrics cannot be made: {error}")
    if source is None:
        return AttemptCollector(None)
    return AttemptCollector(Collector(metrics.kind, source, paths.attempt(trial.number, attempt.number).events))


def _source(
    spec: StudySpec, paths: StudyPaths, base: Path, trial: TrialRecord, attempt: AttemptRecord
) -> Source | None:
    metrics = spec.trainer.metrics
    params = {**trial.params, **attempt.set}
    context = attempt_context(
        spec, paths, base, trial.number, attempt.number, params=params, resume_from=attempt.resume_from
    )

    def place(path: str) -> Place:
        return metrics_place(path, Path(folder_of(spec.trainer, context)), context, _started(context))

    match metrics:
        case LogMetrics():
            own = Place(str(paths.attempt(trial.number, attempt.number).log))
            where = own if metrics.path is None else place(metrics.path)
            return LogSource(where, metrics.compiled, EpochRule(metrics.epoch, metrics.first_epoch))
        case JsonMetrics():
            return JsonSource(place(metrics.path), EpochRule(metrics.epoch, metrics.first_epoch), metrics.at)
        case CsvMetrics():
            rule = EpochRule(metrics.epoch, metrics.first_epoch)
            return CsvSource(place(metrics.path), rule, metrics.delimiter)
        case TensorboardMetrics():
            rule = EpochRule(metrics.epoch, metrics.first_epoch)
            return TensorboardSource(place(metrics.path), rule, metrics.only)
        case _:
            return None


def _started(context: CommandContext) -> float | None:
    """When the attempt began by the clock of its files, which may not be the journal's."""
    try:
        return context.params_file.stat().st_mtime
    except OSError:
        return None


def metrics_place(text: str, folder: Path, context: CommandContext, started: float | None) -> Place:
    """Where a path of the study file leads for one attempt: words in braces replaced, `*`, `?`, `[` as patterns.

    Relative paths start in `folder`, where the trainer starts. Values are never patterns themselves.
    """
    pieces, values = parse(text), context.values()
    is_pattern = any(isinstance(piece, str) and glob.has_magic(piece) for piece in pieces)
    path = ""
    for piece in pieces:
        if isinstance(piece, str):
            path += piece
            continue
        if piece.name not in values:
            raise MissingValueError(piece.name)
        value = value_text(values[piece.name], piece.form)
        path += glob.escape(value) if is_pattern else value
    if not path.startswith("/"):
        path = f"{glob.escape(str(folder)) if is_pattern else folder}/{path}"
    return Place(
        path.replace("**", "*"), is_pattern, home=context.attempt_dir, since=started, taken=frozenset(TAKEN_NAMES)
    )


def ready_reason(spec: StudySpec, paths: StudyPaths, trial: int) -> str | None:
    """Why a trial whose metrics are read from MLflow cannot start yet, in words; None when it can."""
    if spec.trainer.metrics.kind != "mlflow" or run_id_of(paths, trial) is not None:
        return None
    error = tracking_status(paths).error
    why = f": {error.message}" if error is not None else ""
    return f"the MLflow run of trial {trial}, to which it logs its metrics, is not there yet{why}"
