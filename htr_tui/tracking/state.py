"""What the mirror remembers between its lives, and tells others: run ids, offsets, and whether tracking works.

Nothing here imports MLflow; the supervisor, the command line and the panel read these files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from htr_tui.files import read_json, to_number, write_json
from htr_tui.journal.paths import StudyPaths

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class TrackingError:
    """Why nothing reaches MLflow at the moment."""

    message: str
    since: float
    """Unix seconds of the first failure in a row."""


@dataclass(frozen=True, slots=True)
class TrackingStatus:
    """How the mirror is doing, as of its last word."""

    experiment_id: str | None = None
    parent_run_id: str | None = None
    error: TrackingError | None = None
    updated: float | None = None
    drained: bool = False
    """Everything that the journal says now has reached MLflow, and the study is over."""
    refused: int = 0
    """Pieces that MLflow will never take (they were left out)."""


@dataclass(frozen=True, slots=True)
class StudyMemory:
    """`tracking.json`."""

    uri: str | None = None
    experiment_id: str | None = None
    parent_run_id: str | None = None
    parent_status: str | None = None
    ahead: dict[int, str] = field(default_factory=dict)
    """Runs of trials that have no attempt yet, by number."""
    best_run_id: str | None = None
    best_trial: int | None = None
    error: TrackingError | None = None
    updated: float | None = None
    drained: bool = False
    journal_bytes: int = 0
    """Size of the journal when `drained` became true."""
    refused: int = 0

    @classmethod
    def load(cls, paths: StudyPaths) -> StudyMemory:
        """What was written last; empty where nothing (readable) was."""
        record = _known(read_json(paths.tracking))
        ahead = record.get("ahead")
        error = record.get("error")
        return cls(
            uri=_text(record.get("uri")),
            experiment_id=_text(record.get("experiment_id")),
            parent_run_id=_text(record.get("parent_run_id")),
            parent_status=_text(record.get("parent_status")),
            ahead={int(n): str(r) for n, r in ahead.items() if n.isdecimal()} if isinstance(ahead, dict) else {},
            best_run_id=_text(record.get("best_run_id")),
            best_trial=_int(record.get("best_trial")),
            error=TrackingError(str(error.get("message")), to_number(error.get("since")) or 0.0)
            if isinstance(error, dict)
            else None,
            updated=to_number(record.get("updated")),
            drained=record.get("drained") is True,
            journal_bytes=_int(record.get("journal_bytes")) or 0,
            refused=_int(record.get("refused")) or 0,
        )

    def save(self, paths: StudyPaths) -> None:
        """Replace the file."""
        write_json(
            paths.tracking,
            {
                "schema": SCHEMA,
                "uri": self.uri,
                "experiment_id": self.experiment_id,
                "parent_run_id": self.parent_run_id,
                "parent_status": self.parent_status,
                "ahead": {str(number): run_id for number, run_id in sorted(self.ahead.items())},
                "best_run_id": self.best_run_id,
                "best_trial": self.best_trial,
                "error": {"message": self.error.message, "since": self.error.since} if self.error else None,
                "updated": self.updated,
                "drained": self.drained,
                "journal_bytes": self.journal_bytes,
                "refused": self.refused,
            },
        )


@dataclass(frozen=True, slots=True)
class TrialMemory:
    """`trials/0007/tracking.json`: what of a trial has reached MLflow."""

    run_id: str | None = None
    parent_run_id: str | None = None
    """The study's run when this was written; another one now means that the store was changed."""
    status: str | None = None
    name: str | None = None
    has_params: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)
    """Bytes of `events.jsonl` mirrored, by attempt."""
    reports: int = 0
    """Lines `attempt_reported` mirrored."""
    has_value: bool = False
    done: bool = False
    """The trial was over and nothing of it was left to tell."""

    @classmethod
    def load(cls, paths: StudyPaths, trial: int) -> TrialMemory:
        """What was written last; empty where nothing (readable) was."""
        record = _known(read_json(trial_file(paths, trial)))
        tags, offsets = record.get("tags"), record.get("offsets")
        return cls(
            run_id=_text(record.get("run_id")),
            parent_run_id=_text(record.get("parent_run_id")),
            status=_text(record.get("status")),
            name=_text(record.get("name")),
            has_params=record.get("has_params") is True,
            tags={str(k): str(v) for k, v in tags.items()} if isinstance(tags, dict) else {},
            offsets={int(k): v for k, v in offsets.items() if k.isdecimal() and isinstance(v, int)}
            if isinstance(offsets, dict)
            else {},
            reports=_int(record.get("reports")) or 0,
            has_value=record.get("has_value") is True,
            done=record.get("done") is True,
        )

    def save(self, paths: StudyPaths, trial: int) -> None:
        """Replace the file."""
        path = trial_file(paths, trial)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(
            path,
            {
                "schema": SCHEMA,
                "run_id": self.run_id,
                "parent_run_id": self.parent_run_id,
                "status": self.status,
                "name": self.name,
                "has_params": self.has_params,
                "tags": self.tags,
                "offsets": {str(attempt): offset for attempt, offset in sorted(self.offsets.items())},
                "reports": self.reports,
                "has_value": self.has_value,
                "done": self.done,
            },
        )

    def forget_run(self) -> TrialMemory:
        """Everything is to be told again, to another run."""
        return TrialMemory()


def trial_file(paths: StudyPaths, trial: int) -> Path:
    """Where the mirror's memory of a trial is."""
    return paths.trial(trial) / "tracking.json"


def run_id_of(paths: StudyPaths, trial: int) -> str | None:
    """The MLflow run of a trial, if the mirror has made one; for `MLFLOW_RUN_ID`."""
    study = StudyMemory.load(paths)
    memory = TrialMemory.load(paths, trial)
    if memory.run_id is not None and memory.parent_run_id == study.parent_run_id:
        return memory.run_id
    return study.ahead.get(trial)


def tracking_status(paths: StudyPaths) -> TrackingStatus:
    """How the mirror is doing; all empty where the study is not tracked."""
    memory = StudyMemory.load(paths)
    try:
        size = paths.journal.stat().st_size
    except OSError:
        size = 0
    return TrackingStatus(
        experiment_id=memory.experiment_id,
        parent_run_id=memory.parent_run_id,
        error=memory.error,
        updated=memory.updated,
        drained=memory.drained and memory.journal_bytes >= size,
        refused=memory.refused,
    )


def _known(record: dict[str, Any] | None) -> dict[str, Any]:
    """The record if it is of a schema that we read."""
    return record if record is not None and record.get("schema") == SCHEMA else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
