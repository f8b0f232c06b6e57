"""Follows one study: its journal, its supervisor and its tracking state, into a `StudyView`."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from htr_tui.journal.fold import JournalReader, StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import StudyState, TrialRecord
from htr_tui.journal.status import study_state
from htr_tui.panel.feeds.json_file import JsonFile
from htr_tui.panel.views import Liveness, StudyView, SupervisorView
from htr_tui.processes.presence import Presence, read_presence

SLICE_BYTES = 1 << 20
"""Journal bytes folded at a time, so that a step stays short."""

NOTES_SHOWN = 20


def view_supervisor(presence: Presence | None) -> SupervisorView:
    """Who supervises a study, for the screen."""
    if presence is None:
        return SupervisorView()
    alive: Liveness = "alive" if presence.is_here else "elsewhere"
    return SupervisorView(
        alive if presence.alive else "dead", presence.pid, presence.host, presence.started, presence.heartbeat
    )


def _problem(journal: Path) -> str | None:
    return None if os.access(journal, os.R_OK) else f"{journal} cannot be read: check its permissions"


@dataclass(slots=True)
class StudyFollower:
    """Reads on in one study's files, a bounded slice at a time."""

    paths: StudyPaths
    view: StudyView = field(init=False)
    changed: list[TrialRecord] = field(default_factory=list)
    """Trials that changed in the last `refresh`."""
    is_reset: bool = False
    """The last `refresh` began anew: `changed` are all there are."""
    _journal: JournalReader = field(init=False)
    _tracking: JsonFile = field(init=False)
    _fold: StudyFold = field(init=False)
    _fold_version: int = 0
    _front: tuple[int, frozenset[int]] = (0, frozenset())
    """Complete trials, and those of them on the Pareto front: found anew only when one more is complete."""

    def __post_init__(self) -> None:
        """Begin at the start of the files."""
        self.view = StudyView(self.paths.root.name, self.paths.root)
        self._journal = JournalReader(self.paths.journal)
        self._tracking = JsonFile(self.paths.tracking)
        self._fold = self._journal.fold

    def refresh(self, now: float) -> bool:
        """Read the next slice; True if the view or a trial changed."""
        # Before the journal, whose last word is written while its writer still lives; again where one has just begun.
        presence = read_presence(self.paths.supervisor, now)
        has_news = self._journal.refresh(SLICE_BYTES)
        if has_news and (presence is None or not presence.alive):
            presence = read_presence(self.paths.supervisor, now)
        self._take_trials()
        has_tracking = self._tracking.refresh()
        supervisor = view_supervisor(presence)
        state = study_state(self._fold, presence is not None and presence.alive)
        is_loaded = self.view.is_loaded or not has_news
        if has_news or has_tracking or not self.view.version:
            view = self._whole_view(supervisor, state, is_loaded)
        else:
            view = replace(self.view, supervisor=supervisor, state=state, is_loaded=is_loaded)
        view = replace(view, problem=_problem(self.paths.journal))
        if replace(view, supervisor=replace(view.supervisor, heartbeat=self.view.supervisor.heartbeat)) == self.view:
            return bool(self.changed)
        self.view = replace(view, version=self.view.version + 1)
        return True

    def _take_trials(self) -> None:
        fold = self._journal.fold
        self.is_reset = fold is not self._fold
        if self.is_reset:
            self._fold, self._fold_version, self._front = fold, 0, (0, frozenset())
        if fold.version == self._fold_version:
            self.changed = []
            return
        self.changed = fold.changed_since(self._fold_version)
        self._fold_version = fold.version

    def _whole_view(self, supervisor: SupervisorView, state: StudyState, is_loaded: bool) -> StudyView:
        fold = self._fold
        failed = Counter(trial.category or "unknown" for trial in fold.in_state("failed"))
        return StudyView(
            name=self.paths.root.name,
            path=self.paths.root,
            state=state,
            is_loaded=is_loaded,
            facts=fold.facts,
            counts=dict(fold.counts),
            best=fold.best(),
            pareto=self._pareto(),
            running=tuple(trial.number for trial in fold.in_state("running")),
            failures=tuple(failed.most_common()),
            supervisor=supervisor,
            stop_requested=fold.stop_requested,
            paused=fold.paused,
            waiting=fold.waiting,
            notes=tuple(note for note in fold.notes if note.level in ("warning", "error"))[-NOTES_SHOWN:],
            tracking_error=self._tracking_error(),
            skipped=fold.skipped,
            last_t=fold.last_t,
            version=self.view.version,
        )

    def _pareto(self) -> frozenset[int]:
        complete = self._fold.counts["complete"]
        if len(self._fold.facts.directions) > 1 and complete != self._front[0]:
            self._front = (complete, frozenset(trial.number for trial in self._fold.pareto()))
        return self._front[1]

    def _tracking_error(self) -> str | None:
        error = (self._tracking.record or {}).get("error")
        return str(error.get("message") or "MLflow cannot be reached") if isinstance(error, dict) else None
