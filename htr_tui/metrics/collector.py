"""Collects what a trainer writes in its own form into `events.jsonl`, where everybody reads it.

A source tells what its file says; the collector writes what of that `events.jsonl` does not say yet. So it may die
between any two bytes: the next one reads the source from its start, compares with the lines that carry the source's
name, and goes on with the difference. Nothing else is remembered.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from htr_tui.files import MAX_LINE, dump_line, parse_line
from htr_tui.metrics.events import MAX_COUNT, MAX_NAME, MetricsEvent, all_events, parse_event

MAX_CELLS = 2_000_000
"""Values (epochs times names) collected of one attempt; what comes after is counted, not taken."""
MAX_REFUSED = 10_000
"""Beyond this many left out nobody counts on."""
LINE_NAMES = 200
"""Metrics in a line, so that no reader finds it too long."""
CATCH_UP_S = 60.0
"""A source that grows faster than it is read is not waited for longer than this after a restart."""
CHANGE_EVERY_S = 10.0
"""A value that changes while its epoch lasts (a progress bar's loss) is written again so often, and when it is over."""
TORN_POLLS = 10
"""How often a line that the trainer has half written is waited for, before it is taken for torn."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Metrics of an epoch that a source found."""

    epoch: int
    values: dict[str, float]
    step: int | None = None
    t: float | None = None
    """Unix seconds, where the source knows; else the time of collection."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one read of a source brought."""

    found: list[Observation] = field(default_factory=list)
    is_done: bool = True
    """Whether the source holds no more for now."""


class Source(Protocol):
    """A file, folder or run that holds metrics. A new one begins at the start and finds the same again."""

    @property
    def skipped(self) -> int:
        """Pieces that were no metrics although they should be."""

    @property
    def trouble(self) -> str:
        """Why nothing (more) is found, in words; empty where all is well."""

    def read(self, deadline: float, *, final: bool) -> Reading:
        """What is new, until the (monotonic) deadline. `final`: nobody writes any more, so a last line is whole.

        Never raises for what the source holds: what is broken is skipped and counted, what is half is left for later.
        """


@dataclass(slots=True)
class _Pending:
    values: dict[str, float] = field(default_factory=dict)
    step: int | None = None
    t: float | None = None


class Collector:
    """Brings one source into one `events.jsonl`, each value once."""

    def __init__(self, name: str, source: Source, events: Path) -> None:
        self.name = name
        """The kind of source; marks the lines."""
        self._source = source
        self._path = events
        self._written: dict[tuple[int, str], float] = {}
        self._pending: dict[int, _Pending] = {}
        self._refused: set[tuple[int, str]] = set()
        """What was left out, once each, however often its source is read again."""
        self._torn_polls = 0
        self._newest = 0
        """The last epoch of which anything is known."""
        self._changed_at = -math.inf
        self._load()
        self._has_caught_up = not self._written
        self._born = time.monotonic()

    @property
    def skipped(self) -> int:
        """What could not be taken."""
        return self._source.skipped + len(self._refused)

    @property
    def trouble(self) -> str:
        """Why nothing (more) is found, in words; empty where all is well."""
        return self._source.trouble

    def collect(self, *, final: bool = False, budget_s: float = 0.1) -> bool:
        """Read on and write what is new; True when the source holds no more and all is written.

        OSError if `events.jsonl` cannot be written (a full disk): nothing is lost, the next call tries again.
        """
        reading = self._source.read(time.monotonic() + budget_s, final=final)
        for observation in reading.found:
            self._take(observation)
        # After a restart the past is read again: only its outcome is new, not what it once was in between.
        self._has_caught_up |= reading.is_done or time.monotonic() - self._born > CATCH_UP_S
        is_written = self._has_caught_up and self._write(final=final)
        return reading.is_done and is_written

    def _take(self, observation: Observation) -> None:
        if not 0 <= observation.epoch <= MAX_COUNT:
            self._refuse(observation.epoch, "")
            return
        pending = self._pending.get(observation.epoch)
        for name, value in observation.values.items():
            known = (observation.epoch, name) in self._written
            if not is_metric_name(name) or (not known and len(self._written) >= MAX_CELLS):
                self._refuse(observation.epoch, name)
                continue
            if pending is None:
                pending = self._pending[observation.epoch] = _Pending()
            pending.values[name] = value
        if pending is not None:
            self._newest = max(self._newest, observation.epoch)
            pending.step = pending.step if observation.step is None else observation.step
            pending.t = pending.t if observation.t is None else observation.t

    def _refuse(self, epoch: int, name: str) -> None:
        if len(self._refused) < MAX_REFUSED:
            self._refused.add((epoch, name[:MAX_NAME]))

    # -- writing ---------------------------------------------------------------------------------------------------

    def _write(self, *, final: bool) -> bool:
        """Append the difference in one piece; False while the trainer's own half line is waited for."""
        now = time.monotonic()
        may_change = final or now - self._changed_at >= CHANGE_EVERY_S
        news = {
            epoch: values
            for epoch in sorted(self._pending)
            if (values := self._news(epoch, may_change=may_change or epoch < self._newest))
        }
        may_end_torn = final or self._torn_polls >= TORN_POLLS
        if news and not self._append(b"".join(self._lines(news)), may_end_torn=may_end_torn):
            self._torn_polls += 1
            return False
        self._torn_polls = 0
        if any((self._newest, name) in self._written for name in news.get(self._newest, ())):
            self._changed_at = now
        for epoch, values in news.items():
            self._written.update(((epoch, name), value) for name, value in values.items())
        self._pending = {epoch: kept for epoch, kept in self._pending.items() if self._news(epoch, may_change=True)}
        return True

    def _append(self, data: bytes, *, may_end_torn: bool) -> bool:
        try:
            return append_lines(self._path, data, may_end_torn=may_end_torn)
        except OSError:
            self._written.clear()  # a full disk may have taken some of the lines
            self._load()
            raise

    def _news(self, epoch: int, *, may_change: bool) -> dict[str, float]:
        """Values of an epoch that are not written yet; `may_change`: also those that are written differently."""
        return {
            name: value
            for name, value in self._pending[epoch].values.items()
            if (before := self._written.get((epoch, name))) is None or (may_change and not _are_equal(before, value))
        }

    def _lines(self, news: dict[int, dict[str, float]]) -> Iterator[bytes]:
        now = time.time()
        for epoch, values in news.items():
            pending = self._pending[epoch]
            head = {"t": now if pending.t is None else pending.t, "kind": "metrics", "source": self.name}
            names = list(values)
            for begin in range(0, len(names), LINE_NAMES):
                some = {name: values[name] for name in names[begin : begin + LINE_NAMES]}
                step = {} if pending.step is None else {"step": pending.step}
                yield dump_line({**head, "epoch": epoch, **step, "values": some})

    def _load(self) -> None:
        """What earlier collectors of this source wrote."""
        for event in all_events(self._path):
            if isinstance(event, MetricsEvent) and event.source == self.name:
                self._written.update(((event.epoch, name), value) for name, value in event.values.items())
        self._end_own_line()

    def _end_own_line(self) -> None:
        """A line of ours that lacks nothing but its end (a full disk, a power cut) is ended, not written twice."""
        line = _unended_line(self._path)
        record = parse_line(line) if line else None
        event = parse_event(record)[0] if record is not None else None
        if isinstance(event, MetricsEvent) and event.source == self.name:
            append_lines(self._path, b"", may_end_torn=True)
            self._written.update(((event.epoch, name), value) for name, value in event.values.items())


def is_metric_name(name: str) -> bool:
    """Whether a reader of events takes the name, and it can be shown as it is."""
    return 0 < len(name) <= MAX_NAME and name.isprintable()


def _unended_line(path: Path) -> bytes:
    """What stands behind the last end of a line."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MAX_LINE))
            return file.read().rpartition(b"\n")[2]
    except OSError:
        return b""


def append_lines(path: Path, data: bytes, *, may_end_torn: bool) -> bool:
    """Append whole lines to a file that others append to; False (nothing written) behind somebody's half line.

    `may_end_torn`: nobody will finish that line any more, so it is ended.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            if not may_end_torn:
                return False
            data = b"\n" + data
        while data:
            data = data[os.write(fd, data) :]
        return True
    finally:
        os.close(fd)


def _are_equal(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
