"""Numbers out of foreign texts, and which epoch a value belongs to."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from htr_tui.metrics.collector import Observation
from htr_tui.metrics.events import MAX_COUNT

_NUMBER = re.compile(r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)", re.IGNORECASE | re.ASCII)
MAX_NUMBER = 100
"""Characters of a number's text."""


def number_of(value: object) -> float | None:
    """A number, or a text that is one (`0.5`, `1e-3`, `nan`, `-inf`); None for anything else."""
    if isinstance(value, str):
        value = value.strip()
        return float(value) if len(value) <= MAX_NUMBER and _NUMBER.fullmatch(value) else None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def step_of(value: object) -> int | None:
    """A step: a whole number from 0."""
    number = number_of(value)
    if number is None or not math.isfinite(number) or number != int(number) or not 0 <= number <= MAX_COUNT:
        return None
    return int(number)


@dataclass(frozen=True, slots=True)
class EpochRule:
    """Where the epoch of a value is told: by a column, key, tag or metric, by the step, or by counting."""

    name: str | None = None
    """`step`, `count`, a name, or None for the source's own way."""
    first: int = 1
    """What the trainer calls its first epoch, 0 or 1."""

    def epoch_of(self, value: object) -> int | None:
        """The epoch, from 1 up, that the trainer means by `value`; within an epoch (2.25) it is the one begun."""
        number = number_of(value)
        if number is None or not math.isfinite(number) or not 0 <= number < MAX_COUNT:
            return None
        return math.ceil(number) if self.first else math.floor(number) + 1


class NameFilter:
    """Shell-style patterns of the names that are wanted; all are where there are none."""

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = tuple(patterns)

    def takes(self, name: str) -> bool:
        """Whether the name is wanted."""
        return not self._patterns or any(fnmatchcase(name, pattern) for pattern in self._patterns)


class Counter:
    """Counts the values of each name: the n-th is of epoch n."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def next(self, name: str) -> int:
        """The epoch of the name's next value."""
        self._seen[name] = self._seen.get(name, 0) + 1
        return self._seen[name]


@dataclass(frozen=True, slots=True)
class StepValue:
    """A value that carries a step and no epoch."""

    name: str
    step: int
    value: float
    t: float | None = None


@dataclass(slots=True)
class StepEpochs:
    """Brings values with steps to their epochs; one whose epoch is told later waits for it."""

    rule: EpochRule
    marks: dict[int, int] = field(default_factory=dict)
    """Epoch by step, as far as told."""
    _steps: list[int] = field(default_factory=list)
    _waiting: list[StepValue] = field(default_factory=list)
    _counter: Counter = field(default_factory=Counter)
    skipped: int = 0

    def __post_init__(self) -> None:
        """Marks may come from an earlier look."""
        self._steps = sorted(self.marks)

    @property
    def waiting_names(self) -> set[str]:
        """Metrics of which values wait for their epoch."""
        return {value.name for value in self._waiting}

    def take(self, values: Iterable[StepValue], *, final: bool) -> Iterator[Observation]:
        """Observations of all values whose epoch is known by now."""
        values = list(values)
        if self.rule.name in (None, "step"):
            yield from self._placed((value, self.rule.epoch_of(value.step)) for value in values)
        elif self.rule.name == "count":
            yield from self._placed((value, self._counter.next(value.name)) for value in values)
        else:
            yield from self._by_marks(values, final=final)

    def _placed(self, pairs: Iterable[tuple[StepValue, int | None]]) -> Iterator[Observation]:
        for value, epoch in pairs:
            if epoch is None:
                self.skipped += 1
            else:
                yield Observation(epoch, {value.name: value.value}, value.step, value.t)

    def _by_marks(self, values: list[StepValue], *, final: bool) -> Iterator[Observation]:
        is_mark = {self.rule.name, f"{self.rule.name}".rpartition("/")[2]}
        for value in values:
            if value.name in is_mark and (epoch := self.rule.epoch_of(value.value)) is not None:
                if value.step not in self.marks:
                    bisect.insort(self._steps, value.step)
                self.marks[value.step] = epoch
        self._waiting += [value for value in values if value.name not in is_mark]
        waiting, self._waiting = self._waiting, []
        for value in waiting:
            known = self._epoch_at(value.step, final=final)
            if known is None:
                self._waiting.append(value)
            else:
                yield Observation(known, {value.name: value.value}, value.step, value.t)

    def _epoch_at(self, step: int, *, final: bool) -> int | None:
        """The epoch told at the step, or last before it once a later one is told or nothing more comes."""
        if step in self.marks:
            return self.marks[step]
        place = bisect.bisect_right(self._steps, step)
        if place == len(self._steps) and not final:
            return None
        return self.marks[self._steps[max(0, place - 1)]] if self._steps else 1
