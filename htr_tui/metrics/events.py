"""Follows a trainer's `events.jsonl` as typed records; whatever is hostile or broken is skipped and counted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from htr_tui.files import MAX_READ, TailReader, to_number

MAX_NAME = 200
"""Characters of a metric's or parameter's name; a longer one is no name."""
MAX_NAMES = 500
"""Metrics in one event, and parameters at the start."""
MAX_TEXT = 1000
"""Characters kept of a caption, a message or a parameter's value."""
MAX_PATH = 1000
MAX_COUNT = 1 << 53
"""Epochs and steps above this are garbage (and would not survive other readers of JSON)."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StartEvent:
    """A trainer began: what it is going to do, with which values in force."""

    t: float
    epochs: int | None
    steps: int | None
    params: dict[str, Any]
    """Flat, scalars only."""
    resumed_epoch: int


@dataclass(frozen=True, slots=True)
class MetricsEvent:
    """Metrics of an epoch; several of one epoch add up."""

    t: float
    """Unix seconds; 0.0 in every event whose trainer did not tell."""
    epoch: int
    step: int | None
    """Over all epochs."""
    values: dict[str, float]
    source: str = ""
    """The foreign source that it was collected from (`log`, `csv`, `mlflow`, ...); empty for the trainer's own."""


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Where the trainer is within an epoch."""

    t: float
    epoch: int
    step: int
    of: int | None
    rate: float | None
    """Steps a second."""


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """A picture, by a path below the attempt's folder."""

    t: float
    path: str
    epoch: int | None
    caption: str
    panels: tuple[str, ...]
    """What its parts show, from the left."""
    rows: tuple[tuple[int, int], ...] = ()
    """(top, height) in pixels of the lines that stand below each other in every part, if the trainer tells."""


@dataclass(frozen=True, slots=True)
class CheckpointEvent:
    """A checkpoint is complete."""

    t: float
    path: str
    epoch: int | None


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """Something the trainer wants to be read."""

    t: float
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The trainer's last word: "complete" or "stopped"."""

    t: float
    status: str


@dataclass(frozen=True, slots=True)
class CollectedEvent:
    """Another process read a foreign source to its end after the trainer's: nothing more comes from it."""

    t: float
    source: str


Event = (
    StartEvent | MetricsEvent | ProgressEvent | SampleEvent | CheckpointEvent | NoteEvent | EndEvent | CollectedEvent
)


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What one read brought."""

    events: list[Event] = field(default_factory=list)
    skipped: int = 0
    """Lines that were no event, or held something that was left out."""
    more: bool = False
    """Whether the file holds more than this read took."""
    restarted: bool = False
    """The file was truncated or replaced: what was read before is void."""


class EventsReader:
    """Reads on from where it stopped, a bounded piece at a time."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self._tail = TailReader(path, offset)

    @property
    def offset(self) -> int:
        """Bytes read so far, always at the start of a line; a reader made with it goes on there."""
        return self._tail.offset

    def read(self, limit: int = MAX_READ) -> EventBatch:
        """The next events; at most about `limit` bytes of them."""
        before, restarts = self._tail.offset, self._tail.restarts
        records, skipped = self._tail.read_records(limit)
        restarted = self._tail.restarts != restarts
        if self._tail.offset == before and not restarted:
            return EventBatch()
        events: list[Event] = []
        for record in records:
            event, is_clean = parse_event(record)
            if event is not None:
                events.append(event)
            skipped += not is_clean
        return EventBatch(events, skipped, self._has_more(), restarted)

    def _has_more(self) -> bool:
        try:
            return self.path.stat().st_size > self._tail.offset
        except OSError:
            return False


def parse_event(record: Record) -> tuple[Event | None, bool]:
    """The event of a record (None if it is none), and whether nothing of it had to be left out."""
    parser = _PARSERS.get(record["kind"]) if isinstance(record.get("kind"), str) else None
    if parser is None:
        return None, False
    t = to_number(record.get("t"))
    return parser(t if t is not None and math.isfinite(t) and t >= 0 else 0.0, record)


def _count(value: Any) -> int | None:
    """A number of epochs or steps; None for what is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _inner_path(value: Any) -> str | None:
    """A path that names something below the attempt's folder; None for every other."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PATH or "\0" in value:
        return None
    path = PurePosixPath(value)
    return None if path.is_absolute() or ".." in path.parts or not path.parts else str(path)


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME


def _start(t: float, r: Record) -> tuple[Event | None, bool]:
    raw = r.get("params", {})
    params = _params(raw) if isinstance(raw, dict) else {}
    event = StartEvent(t, _count(r.get("epochs")), _count(r.get("steps")), params, _count(r.get("resumed_epoch")) or 0)
    return event, isinstance(raw, dict) and len(params) == len(raw)


def _params(raw: dict[str, Any]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, value in list(raw.items())[:MAX_NAMES]:
        if not _is_name(name):
            continue
        if isinstance(value, list | dict):
            value = json.dumps(value)
        if isinstance(value, str):
            value = value[:MAX_TEXT]
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_COUNT:
            continue
        params[name] = value
    return params


def _metrics(t: float, r: Record) -> tuple[Event | None, bool]:
    epoch, raw = _count(r.get("epoch")), r.get("values")
    if epoch is None or not isinstance(raw, dict):
        return None, False
    values = {
        name: number
        for name, value in list(raw.items())[:MAX_NAMES]
        if _is_name(name) and (number := to_number(value)) is not None
    }
    if not values:
        return None, False
    event = MetricsEvent(t, epoch, _count(r.get("step")), values, _text(r.get("source"))[:MAX_NAME])
    return event, len(values) == len(raw)


def _progress(t: float, r: Record) -> tuple[Event | None, bool]:
    epoch, step = _count(r.get("epoch")), _count(r.get("step"))
    if epoch is None or step is None:
        return None, False
    rate = to_number(r.get("rate"))
    usable = rate if rate is not None and math.isfinite(rate) and rate >= 0 else None
    return ProgressEvent(t, epoch, step, _count(r.get("of")), usable), True


def _sample(t: float, r: Record) -> tuple[Event | None, bool]:
    path, panels = _inner_path(r.get("path")), r.get("panels", [])
    if path is None:
        return None, False
    names = tuple(_text(name)[:MAX_NAME] for name in panels[:16]) if isinstance(panels, list) else ()
    return SampleEvent(t, path, _count(r.get("epoch")), _text(r.get("caption")), names, _rows(r.get("rows"))), True


def _rows(value: Any) -> tuple[tuple[int, int], ...]:
    """Places of lines; none at all where one of them is no (top, height)."""
    places: list[tuple[int, int]] = []
    for item in value[:64] if isinstance(value, list) else ():
        top, height = (_count(item[0]), _count(item[1])) if isinstance(item, list) and len(item) == 2 else (None, None)
        if top is None or not height:
            return ()
        places.append((top, height))
    return tuple(places)


def _checkpoint(t: float, r: Record) -> tuple[Event | None, bool]:
    path = _inner_path(r.get("path"))
    if path is None:
        return None, False
    return CheckpointEvent(t, path, _count(r.get("epoch"))), True


def _note(t: float, r: Record) -> tuple[Event | None, bool]:
    message, level = _text(r.get("message")), r.get("level")
    if not message:
        return None, False
    return NoteEvent(t, level if level in ("info", "warning", "error") else "info", message), True


def _end(t: float, r: Record) -> tuple[Event | None, bool]:
    status = r.get("status")
    return (EndEvent(t, status), True) if status in ("complete", "stopped") else (None, False)


def _collected(t: float, r: Record) -> tuple[Event | None, bool]:
    source = _text(r.get("source"))[:MAX_NAME]
    return (CollectedEvent(t, source), True) if source else (None, False)


_PARSERS: dict[str, Callable[[float, Record], tuple[Event | None, bool]]] = {
    "start": _start,
    "metrics": _metrics,
    "progress": _progress,
    "sample": _sample,
    "checkpoint": _checkpoint,
    "note": _note,
    "end": _end,
    "collected": _collected,
}


def all_events(path: Path) -> Iterator[Event]:
    """Every event of a file, from its start; nothing where it is missing."""
    reader = EventsReader(path)
    while True:
        batch = reader.read()
        yield from batch.events
        if not batch.more:
            return


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """All metrics of an epoch."""

    epoch: int
    step: int | None
    t: float
    values: dict[str, float]


def merge_epochs(attempts: Iterable[Iterable[Event]]) -> list[EpochMetrics]:
    """Metrics by epoch over a trial's attempts, oldest attempt first; from the first epoch of a later one it wins."""
    merged: dict[int, EpochMetrics] = {}
    for events in attempts:
        own: dict[int, EpochMetrics] = {}
        for event in events:
            if isinstance(event, MetricsEvent):
                before = own.get(event.epoch)
                values = event.values if before is None else {**before.values, **event.values}
                own[event.epoch] = EpochMetrics(event.epoch, event.step, event.t, values)
        if own:
            first = min(own)
            merged = {epoch: metrics for epoch, metrics in merged.items() if epoch < first} | own
    return [merged[epoch] for epoch in sorted(merged)]
