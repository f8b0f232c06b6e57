"""Metrics out of a trainer's log, by regular expressions with named groups."""

from __future__ import annotations

import re
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from types import FrameType

from htr_tui.metrics.collector import Observation, Reading
from htr_tui.metrics.epochs import Counter, EpochRule, number_of, step_of
from htr_tui.metrics.growing import GrowingFile, Place
from htr_tui.text import clean_line

MAX_MATCHED = 4096
"""Characters of a line that a pattern sees."""
MAX_MATCHES = 500
"""Matches of one pattern in a line."""
SLOW_S = 0.2
"""CPU seconds after which a pattern is stuck on a line."""
MAX_SLOW = 3
"""Lines on which a pattern may be stuck before it is given up."""
EPOCH, STEP, NAME, VALUE = "epoch", "step", "name", "value"


class PatternError(ValueError):
    """A pattern that finds no metrics, with what is allowed instead."""


def compile_pattern(text: str) -> re.Pattern[str]:
    """The pattern with its groups checked; PatternError says what is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"is no regular expression: {error}") from None
    groups = set(pattern.groupindex)
    if not groups:
        raise PatternError("has no named group")
    if len(groups & {NAME, VALUE}) == 1:
        raise PatternError("has one of the groups `name` and `value` without the other")
    return pattern


def finds_metrics(pattern: re.Pattern[str]) -> bool:
    """Whether it finds metrics, or only an epoch or a step for those of other patterns."""
    return bool(set(pattern.groupindex) - {EPOCH, STEP})


class TooSlow(Exception):
    """A pattern is stuck on a line."""


class Watchdog:
    """Ends a match that takes for ever: the matching engine looks for signals, so a handler can raise inside it.

    Counts CPU seconds of the process, so a machine that is busy elsewhere ends nothing. Works in the main thread only,
    where the supervisor collects; elsewhere it guards nothing.
    """

    def __init__(self) -> None:
        self._line = 0
        self._is_matching = False
        self._line_before = -1

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Guard all lines of the block."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGVTALRM, self._look)
        signal.setitimer(signal.ITIMER_VIRTUAL, SLOW_S, SLOW_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)

    @contextmanager
    def line(self) -> Iterator[None]:
        """The matching of one line."""
        self._line += 1
        self._is_matching = True
        try:
            yield
        finally:
            self._is_matching = False

    def _look(self, number: int, frame: FrameType | None) -> None:
        """At the second look at one line it is stuck; at the first it may just have begun."""
        if self._is_matching and self._line == self._line_before:
            self._is_matching = False  # never twice for one line, and never outside of its match
            raise TooSlow
        self._line_before = self._line


class LogSource:
    """Matches every line that a terminal would have shown, also those that a progress bar wrote over."""

    def __init__(self, place: Place, patterns: Sequence[re.Pattern[str]], rule: EpochRule) -> None:
        self._file = GrowingFile(place, b"\n\r")
        self._patterns = list(patterns)
        self._rule = rule
        self._tells_epoch = any(EPOCH in pattern.groupindex for pattern in patterns)
        self._watchdog = Watchdog()
        self._slow: dict[str, int] = {}
        self._bad = 0
        self._forget()

    def _forget(self) -> None:
        self._epoch: int | None = None
        self._counter = Counter()

    @property
    def skipped(self) -> int:
        """Overlong lines, and groups that held no number."""
        return self._bad + self._file.skipped

    @property
    def trouble(self) -> str:
        """Why nothing is found."""
        given_up = [text for text, count in self._slow.items() if count >= MAX_SLOW]
        if given_up:
            return f"the pattern {given_up[0]!r} was given up: it needs too long for a line"
        return self._file.trouble

    def read(self, deadline: float, *, final: bool) -> Reading:
        """Match line by line until the deadline."""
        found: list[Observation] = []
        while True:
            chunk = self._file.read(final=final)
            if chunk.restarted:
                self._forget()
            if chunk.lines:
                with self._watchdog.armed():
                    for line in filter(None, chunk.lines):
                        found += self._match(clean_line(line, MAX_MATCHED))
            if chunk.is_done or time.monotonic() > deadline:
                return Reading(found, chunk.is_done)

    def _match(self, line: str) -> list[Observation]:
        """The metrics of a line; an epoch or step anywhere in it is that of the whole line."""
        pairs: list[tuple[str, str]] = []
        for pattern in self._patterns:
            pairs += self._pairs(pattern, line)
        if not pairs:
            return []
        told = {name: text for name, text in reversed(pairs) if name in (EPOCH, STEP)}
        step = step_of(told[STEP]) if STEP in told else None
        if self._rule.name == STEP:
            self._epoch = self._rule.epoch_of(step) if step is not None else self._epoch
        elif EPOCH in told:
            self._epoch = self._told_epoch(told[EPOCH])
        return self._observations([pair for pair in pairs if pair[0] not in (EPOCH, STEP)], step)

    def _told_epoch(self, text: str) -> int | None:
        epoch = self._rule.epoch_of(text)
        if epoch is None:
            self._bad += 1
            return self._epoch
        self._tells_epoch = True
        return epoch

    def _observations(self, pairs: list[tuple[str, str]], step: int | None) -> list[Observation]:
        values: dict[int, dict[str, float]] = {}
        for name, text in pairs:
            value = number_of(text)
            if value is None:
                self._bad += 1
                continue
            values.setdefault(self._epoch_of(name), {})[name] = value
        return [Observation(epoch, found, step) for epoch, found in values.items()]

    def _epoch_of(self, name: str) -> int:
        """The epoch last told (the first before any), or the count where none is ever told."""
        if self._rule.name == "count":
            return self._counter.next(name)
        if self._epoch is not None:
            return self._epoch
        return 1 if self._tells_epoch or self._rule.name == STEP else self._counter.next(name)

    def _pairs(self, pattern: re.Pattern[str], line: str) -> list[tuple[str, str]]:
        """(name, text) of every group that took part; a pattern that is stuck finds nothing."""
        if self._slow.get(pattern.pattern, 0) >= MAX_SLOW:
            return []
        pairs: list[tuple[str, str]] = []
        try:
            with self._watchdog.line():
                for match in islice(pattern.finditer(line), MAX_MATCHES):
                    groups = {name: text for name, text in match.groupdict().items() if text is not None}
                    pair = groups.pop(NAME, None), groups.pop(VALUE, None)
                    pairs += groups.items()
                    if pair[0] is not None and pair[1] is not None:
                        pairs.append((pair[0].strip(), pair[1]))
        except TooSlow:
            self._slow[pattern.pattern] = self._slow.get(pattern.pattern, 0) + 1
            self._bad += 1
            return []
        return pairs
