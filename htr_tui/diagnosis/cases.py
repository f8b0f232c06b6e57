"""A study's trials sorted once for all the checks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import TrialRecord

SEED = re.compile(r"(^|[^a-z])(seed|random_state|rng)([^a-z]|$)")
"""Parameters that only change chance."""

LOST = "lost"


def is_seed(parameter: str) -> bool:
    """Whether a parameter only changes chance."""
    return SEED.search(parameter.lower()) is not None


@dataclass(frozen=True)
class Cases:
    """What the checks look at."""

    fold: StudyFold
    now: float
    is_supervised: bool
    """Whether somebody looks after its running trials: then it is not over."""

    @cached_property
    def trials(self) -> list[TrialRecord]:
        """All, by number."""
        return [trial for _, trial in sorted(self.fold.trials.items())]

    @cached_property
    def is_imported(self) -> bool:
        """Whether it was only read from elsewhere."""
        return self.fold.facts.imported is not None

    def in_state(self, *states: str) -> list[TrialRecord]:
        """Those in one of the states, by number."""
        return [trial for trial in self.trials if trial.state in states]

    @cached_property
    def ended(self) -> list[TrialRecord]:
        """Complete, pruned and failed ones, without those that nobody ended."""
        return [trial for trial in self.in_state("complete", "pruned", "failed") if not self.is_zombie(trial)]

    @cached_property
    def complete(self) -> list[TrialRecord]:
        """Those that reached their end."""
        return self.in_state("complete")

    @cached_property
    def pruned(self) -> list[TrialRecord]:
        """Those that the pruner gave up."""
        return self.in_state("pruned")

    def is_zombie(self, trial: TrialRecord) -> bool:
        """RUNNING in the source that it was read from, and silent."""
        return self.is_imported and trial.state == "failed" and trial.category == LOST

    @cached_property
    def is_minimized(self) -> bool:
        """Whether a smaller value of a single objective is better."""
        return self.fold.facts.directions[:1] == ("minimize",)

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """Complete trials of a single objective with a finite value that keep the constraints, the best first."""
        if len(self.fold.facts.directions) != 1:
            return []
        sign = 1.0 if self.is_minimized else -1.0
        found = [t for t in self.complete if t.value is not None and math.isfinite(t.value) and t.is_feasible]
        return sorted(found, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
