"""What the panel knows: frozen records in, version numbers out. Feeds write, the event loop reads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from htr_tui.journal.records import TrialRecord
from htr_tui.panel.views import LiveAttempt, MachineView, StudyView, TrialFiles


@dataclass(slots=True)
class _StudyShelf:
    view: StudyView
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    touched: dict[int, int] = field(default_factory=dict)
    """Trial to the version of its last change, in the order of the changes."""
    live: dict[int, LiveAttempt] = field(default_factory=dict)
    reset: int = 0
    """Version at which its trials were thrown away (a journal that was replaced)."""


@dataclass(frozen=True, slots=True)
class TrialChanges:
    """What changed among a study's trials since a version."""

    version: int
    trials: tuple[TrialRecord, ...]
    is_reset: bool
    """Forget what was there before: `trials` are all there are."""


class Store:
    """The newest record of everything; every change makes `version` grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = 0
        self._shelves: dict[str, _StudyShelf] = {}
        self._files: TrialFiles | None = None
        self._machine: MachineView | None = None
        self._is_scanned = False

    # -- written by feeds ------------------------------------------------------------------------------------------

    def put_study(self, view: StudyView, changed: Iterable[TrialRecord], *, is_reset: bool = False) -> None:
        """Replace a study's row and the trials that changed."""
        with self._lock:
            self._version += 1
            shelf = self._shelves.get(view.name)
            if shelf is None:
                shelf = self._shelves[view.name] = _StudyShelf(view)
                shelf.reset = self._version
            if is_reset:
                shelf.trials, shelf.touched, shelf.reset = {}, {}, self._version
            shelf.view = view
            for trial in changed:
                shelf.trials[trial.number] = trial
                shelf.touched.pop(trial.number, None)
                shelf.touched[trial.number] = self._version
            shelf.live = {number: live for number, live in shelf.live.items() if number in view.running}

    def put_live(self, study: str, live: Iterable[LiveAttempt]) -> None:
        """Replace what running attempts of a study told last."""
        with self._lock:
            shelf = self._shelves.get(study)
            if shelf is None:
                return
            self._version += 1
            for attempt in live:
                shelf.live[attempt.trial] = attempt
                shelf.touched.pop(attempt.trial, None)
                shelf.touched[attempt.trial] = self._version

    def keep_studies(self, names: Iterable[str]) -> None:
        """Drop the studies whose folders are gone; the folder has been scanned once."""
        with self._lock:
            gone = set(self._shelves) - set(names)
            if gone or not self._is_scanned:
                self._version += 1
            self._is_scanned = True
            for name in gone:
                del self._shelves[name]

    def put_files(self, files: TrialFiles) -> None:
        """Replace the files of the trial that is being looked at."""
        with self._lock:
            self._version += 1
            self._files = files

    def put_machine(self, machine: MachineView) -> bool:
        """Replace the state of this machine; False if nothing but its history changed."""
        with self._lock:
            is_new = machine != self._machine
            self._version += is_new
            self._machine = machine
            return is_new

    # -- read by screens -------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._version

    @property
    def is_scanned(self) -> bool:
        """Whether the runs folder was listed once, so that "no studies" is known to be true."""
        return self._is_scanned

    @property
    def machine(self) -> MachineView | None:
        """This machine; None before the first measurement."""
        return self._machine

    def studies(self) -> list[StudyView]:
        """Every study: first those that want their user, then those that are supervised, then the newest."""
        with self._lock:
            views = [shelf.view for shelf in self._shelves.values()]
        return sorted(views, key=_rank)

    def study(self, name: str | None) -> StudyView | None:
        """One study."""
        with self._lock:
            shelf = self._shelves.get(name) if name is not None else None
            return shelf.view if shelf else None

    def trial(self, study: str | None, number: int | None) -> TrialRecord | None:
        """One trial."""
        with self._lock:
            shelf = self._shelves.get(study) if study is not None else None
            return shelf.trials.get(number) if shelf and number is not None else None

    def live(self, study: str | None) -> Mapping[int, LiveAttempt]:
        """What the running trials of a study told last, by trial."""
        with self._lock:
            shelf = self._shelves.get(study) if study is not None else None
            return dict(shelf.live) if shelf else {}

    def trials_changed_since(self, study: str | None, version: int) -> TrialChanges:
        """Trials of a study that changed after `version`; costs what changed."""
        with self._lock:
            shelf = self._shelves.get(study) if study is not None else None
            if shelf is None:
                return TrialChanges(self._version, (), is_reset=True)
            if version < shelf.reset:
                return TrialChanges(self._version, tuple(shelf.trials.values()), is_reset=True)
            changed: list[TrialRecord] = []
            for number in reversed(shelf.touched):
                if shelf.touched[number] <= version:
                    break
                changed.append(shelf.trials[number]) if number in shelf.trials else None
            return TrialChanges(self._version, tuple(reversed(changed)), is_reset=False)

    def files(self, study: str | None, trial: int | None) -> TrialFiles | None:
        """The files of a trial, if it is the one that is being looked at and they were read."""
        files = self._files
        return files if files is not None and (files.study, files.trial) == (study, trial) else None


def _rank(view: StudyView) -> tuple[bool, bool, float, str]:
    return (not (view.is_active and view.has_paused_itself), not view.is_active, -view.last_t, view.name)
