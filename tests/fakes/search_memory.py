"""A search store in memory with the manners of `SearchStore`, for tests that kill a supervisor a thousand times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from htr_tui.errors import ForeignStudyError
from htr_tui.journal.records import END_STATES, TrialRecord
from htr_tui.search.making import Asked

HOPELESS = 0.3
"""A trial whose `x` is below is pruned after its first epoch, where the study prunes."""


@dataclass
class Remembered:
    """What outlives the supervisors."""

    params: dict[int, dict[str, Any]] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    prunes: bool = False


class MemoryStore:
    """In place of `htr_tui.supervisor.memory.SearchStore`; what it remembers is given to it."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered

    def connect(self) -> None:
        """Always there."""

    def reconcile(self, trials: Mapping[int, TrialRecord]) -> list[Asked]:
        """The journal's state; returns what only we know."""
        known = self._remembered
        extra = [number for number in known.params if number not in trials]
        if any(known.states[number] in END_STATES for number in extra):
            raise ForeignStudyError("finished trials that the journal does not know")
        for trial in trials.values():
            self.sync(trial)
        return [Asked(number, dict(known.params[number]), None) for number in sorted(extra)]

    def ask(self, wish: object = None) -> Asked:
        """The next trial."""
        number = max(self._remembered.params, default=-1) + 1
        self._remembered.params[number] = {"x": (number * 37 % 100) / 100}
        self._remembered.states[number] = "running"
        return Asked(number, dict(self._remembered.params[number]), None)

    def sync(self, trial: TrialRecord) -> None:
        """One trial as the journal has it."""
        self._remembered.params[trial.number] = dict(trial.params)
        self._remembered.states[trial.number] = trial.state

    def should_prune(self, trial: TrialRecord) -> bool:
        """By its parameter alone."""
        return self._remembered.prunes and float(trial.params["x"]) < HOPELESS

    def close(self) -> None:
        """Nothing to let go."""
