"""The diagnosis of a whole study: a pure function of its state, quick for ten thousand trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from htr_tui.diagnosis import endings, parameters, pruning, values
from htr_tui.diagnosis.cases import Cases
from htr_tui.diagnosis.diagnosis import SEVERITIES, Diagnosis
from htr_tui.journal.fold import StudyFold

CHECKS: Final[tuple[Callable[[Cases], Iterator[Diagnosis]], ...]] = (
    endings.nothing_complete,
    pruning.pruned_at_one_step,
    endings.zombies,
    endings.without_value,
    endings.nothing_feasible,
    values.values_equal,
    endings.failures,
    parameters.at_edges,
    parameters.duplicates,
    values.seed_spread,
    values.still_improving,
    parameters.hardly_searched,
)


def diagnose(fold: StudyFold, now: float, *, is_supervised: bool = False) -> list[Diagnosis]:
    """Everything that the trials tell together, the worst first; nothing for a healthy study."""
    cases = Cases(fold, now, is_supervised)
    found = [diagnosis for check in CHECKS for diagnosis in check(cases)]
    return sorted(found, key=lambda diagnosis: SEVERITIES.index(diagnosis.severity))
