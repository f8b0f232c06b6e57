"""Which trials are in which state, which changed last and which are best, kept while a journal is folded.

Asking costs what is answered, not the study's trials: a supervisor asks several times a second, whatever came before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from htr_tui.journal.records import TRIAL_STATES, TrialRecord, TrialState

Point = tuple[float, ...]


@dataclass(slots=True)
class TrialIndex:
    """Numbers only; the records are the fold's."""

    by_state: dict[TrialState, set[int]] = field(default_factory=lambda: {state: set() for state in TRIAL_STATES})
    next_number: int = 0
    """One more than the largest number."""
    _touched: dict[int, int] = field(default_factory=dict)
    """Trial to the version of its last change, in the order of the changes."""

    def put(self, old: TrialState | None, trial: TrialRecord) -> None:
        """A trial is new, or its record was replaced."""
        if old == trial.state:
            return
        if old is not None:
            self.by_state[old].remove(trial.number)
        self.by_state[trial.state].add(trial.number)
        self.next_number = max(self.next_number, trial.number + 1)

    def touch(self, number: int, version: int) -> None:
        """An event named the trial."""
        self._touched.pop(number, None)
        self._touched[number] = version

    def touched_since(self, version: int) -> Iterator[int]:
        """Trials named after `version`, the newest first."""
        for number in reversed(self._touched):
            if self._touched[number] <= version:
                return
            yield number


@dataclass(slots=True)
class Ranking:
    """Trials that no other one is better than in every objective; each complete trial is looked at once.

    With one objective these are the best trial and those that are as good.
    """

    looked_at: int = 0
    """Trials compared so far; counted for tests."""
    _signs: Point = (1.0,)
    _front: dict[int, Point] = field(default_factory=dict)
    _waiting: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        """A trial is complete; it is compared when somebody asks."""
        self._waiting.append(number)

    def begin_anew(self, directions: tuple[str, ...], complete: set[int]) -> None:
        """The objectives are others, or a trial that was compared already has other values."""
        self._signs = tuple(-1.0 if direction == "minimize" else 1.0 for direction in directions)
        self._front.clear()
        self._waiting = list(complete)

    def front(self, trials: Mapping[int, TrialRecord]) -> list[int]:
        """Their numbers, in order."""
        for number in sorted(set(self._waiting)):
            self._compare(trials[number])
        self._waiting.clear()
        return sorted(self._front)

    def _compare(self, trial: TrialRecord) -> None:
        self.looked_at += 1
        point = self._point(trial)
        if point is None or any(_dominates(other, point) for other in self._front.values()):
            return
        for number in [n for n, other in self._front.items() if _dominates(point, other)]:
            del self._front[number]
        self._front[trial.number] = point

    def _point(self, trial: TrialRecord) -> Point | None:
        """The objectives, the larger the better; None where the trial cannot be ranked."""
        if not trial.is_feasible or len(trial.values) != len(self._signs):
            return None
        if not all(math.isfinite(value) for value in trial.values):
            return None
        return tuple(sign * value for sign, value in zip(self._signs, trial.values, strict=True))


def _dominates(a: Point, b: Point) -> bool:
    """Whether `a` is nowhere smaller and somewhere larger."""
    return a != b and all(x >= y for x, y in zip(a, b, strict=True))
