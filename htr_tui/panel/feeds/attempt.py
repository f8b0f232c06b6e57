"""Follows the files of one attempt, a bounded slice at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from htr_tui.files import TailReader, to_number
from htr_tui.journal.paths import AttemptPaths
from htr_tui.panel.feeds.json_file import JsonFile
from htr_tui.panel.feeds.series import ThinnedSeries
from htr_tui.panel.views import AttemptFiles, LiveAttempt, SampleView

SLICE_BYTES = 1 << 19
SAMPLES_KEPT = 2000
NOTES_KEPT = 50


@dataclass(slots=True)
class EventsState:
    """What the events of an attempt add up to."""

    epochs: dict[int, dict[str, float]] = field(default_factory=dict)
    epoch: int | None = None
    total_epochs: int | None = None
    resumed_epoch: int | None = None
    step: int | None = None
    of: int | None = None
    rate: float | None = None
    last_t: float | None = None
    params: dict[str, Any] = field(default_factory=dict)
    samples: list[tuple[str, int | None, str, tuple[str, ...]]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    skipped: int = 0

    def apply(self, record: dict[str, Any]) -> None:
        """Take one event in; unknown kinds are counted."""
        handler = _HANDLERS.get(str(record.get("kind")))
        if handler is None:
            self.skipped += 1
            return
        self.last_t = to_number(record.get("t")) or self.last_t
        handler(self, record)


def whole(value: Any) -> int | None:
    """A count or an epoch as an int; None where it is none."""
    number = to_number(value)
    return int(number) if number is not None and math.isfinite(number) and abs(number) < 1e15 else None


def _start(state: EventsState, r: dict[str, Any]) -> None:
    state.total_epochs = whole(r.get("epochs"))
    state.of = whole(r.get("steps"))
    state.resumed_epoch = whole(r.get("resumed_epoch"))
    params = r.get("params")
    state.params = params if isinstance(params, dict) else {}


def _metrics(state: EventsState, r: dict[str, Any]) -> None:
    epoch, values = whole(r.get("epoch")), r.get("values")
    if epoch is None or not isinstance(values, dict):
        state.skipped += 1
        return
    numbers = {str(name): number for name, raw in values.items() if (number := to_number(raw)) is not None}
    state.epochs[epoch] = {**state.epochs.get(epoch, {}), **numbers}
    state.epoch, state.step = epoch, None


def _progress(state: EventsState, r: dict[str, Any]) -> None:
    state.epoch = whole(r.get("epoch")) or state.epoch
    state.step, state.of = whole(r.get("step")), whole(r.get("of")) or state.of
    state.rate = to_number(r.get("rate"))


def _sample(state: EventsState, r: dict[str, Any]) -> None:
    if not isinstance(r.get("path"), str):
        state.skipped += 1
        return
    panels = r.get("panels")
    names = tuple(str(panel) for panel in panels[:8]) if isinstance(panels, list) else ()
    state.samples.append((r["path"], whole(r.get("epoch")), str(r.get("caption") or ""), names))
    del state.samples[:-SAMPLES_KEPT]


def _note(state: EventsState, r: dict[str, Any]) -> None:
    state.notes.append((str(r.get("level") or "info"), str(r.get("message") or "")))
    del state.notes[:-NOTES_KEPT]


def _nothing(state: EventsState, r: dict[str, Any]) -> None:
    """Known, and of no use here."""


_HANDLERS = {
    "start": _start,
    "metrics": _metrics,
    "progress": _progress,
    "sample": _sample,
    "note": _note,
    "checkpoint": _nothing,
    "end": _nothing,
}


@dataclass(slots=True)
class EventsFollower:
    """`events.jsonl` and the newest line of `devices.jsonl` of a running attempt."""

    paths: AttemptPaths
    trial: int
    attempt: int
    state: EventsState = field(default_factory=EventsState)
    is_caught_up: bool = False
    _events: TailReader = field(init=False)
    _devices: TailReader = field(init=False)
    _gpu_bytes: int | None = None

    def __post_init__(self) -> None:
        """Begin at the start of the files."""
        self._events = TailReader(self.paths.events)
        self._devices = TailReader(self.paths.devices)

    def refresh(self) -> bool:
        """Read the next slice; True if anything was new."""
        restarts = self._events.restarts
        records, skipped = self._events.read_records(SLICE_BYTES)
        if self._events.restarts != restarts:
            self.state = EventsState()
        self.state.skipped += skipped
        for record in records:
            self.state.apply(record)
        has_gpu = self._read_gpu()
        self.is_caught_up = not records
        return bool(records) or has_gpu

    def _read_gpu(self) -> bool:
        records, _ = self._devices.read_records(SLICE_BYTES)
        if not records:
            return False
        used = gpu_use(records[-1])
        self._gpu_bytes = int(used[0]) if used else self._gpu_bytes
        return used is not None

    def live(self) -> LiveAttempt:
        """The newest state as a frozen record."""
        state = self.state
        return LiveAttempt(
            trial=self.trial,
            attempt=self.attempt,
            epoch=state.epoch,
            epochs=state.total_epochs,
            step=state.step,
            of=state.of,
            rate=state.rate,
            last_t=state.last_t,
            gpu_bytes=self._gpu_bytes,
        )


def gpu_use(record: dict[str, Any]) -> tuple[float, float] | None:
    """Bytes and the highest load in percent over the GPUs of a line of `devices.jsonl`.

    What the trial itself holds where the driver tells it, otherwise all that is in use.
    """
    gpus = record.get("gpus")
    if not isinstance(gpus, list):
        return None
    total, load, is_found = 0.0, 0.0, False
    for gpu in gpus:
        if not isinstance(gpu, dict):
            continue
        used = to_number(gpu.get("trial_bytes"))
        used = to_number(gpu.get("used_bytes")) if used is None else used
        if used is not None and math.isfinite(used):
            total, is_found = total + used, True
        load = max(load, to_number(gpu.get("utilization")) or 0.0)
    return (total, load) if is_found else None


@dataclass(slots=True)
class AttemptFollower:
    """Everything the Trial screen shows of one attempt."""

    paths: AttemptPaths
    number: int
    _events: EventsFollower = field(init=False)
    _system: TailReader = field(init=False)
    _devices: TailReader = field(init=False)
    _system_rows: ThinnedSeries = field(default_factory=ThinnedSeries)
    _device_rows: ThinnedSeries = field(default_factory=ThinnedSeries)
    _documents: dict[str, JsonFile] = field(init=False)
    is_caught_up: bool = False

    def __post_init__(self) -> None:
        """Begin at the start of the files."""
        self._events = EventsFollower(self.paths, 0, self.number)
        self._system = TailReader(self.paths.system)
        self._devices = TailReader(self.paths.devices)
        self._documents = {
            "finding": JsonFile(self.paths.finding),
            "exit": JsonFile(self.paths.exit),
            "command": JsonFile(self.paths.command),
        }

    def refresh(self) -> bool:
        """Read the next slice of every file; True if anything was new."""
        has_events = self._events.refresh()
        has_rows = self._read_system() | self._read_devices()
        has_documents = any([document.refresh() for document in self._documents.values()])
        self.is_caught_up = not (has_events or has_rows)
        return has_events or has_rows or has_documents

    def _read_system(self) -> bool:
        records, _ = self._system.read_records(SLICE_BYTES)
        for record in records:
            t, rss = to_number(record.get("t")), to_number(record.get("rss_bytes"))
            if t is not None and rss is not None and math.isfinite(t + rss):
                self._system_rows.add((t, rss, to_number(record.get("cpu_percent")) or 0.0))
        return bool(records)

    def _read_devices(self) -> bool:
        records, _ = self._devices.read_records(SLICE_BYTES)
        for record in records:
            t, used = to_number(record.get("t")), gpu_use(record)
            if t is not None and used is not None and math.isfinite(t):
                self._device_rows.add((t, *used))
        return bool(records)

    def files(self) -> AttemptFiles:
        """The newest state as a frozen record."""
        state = self._events.state
        return AttemptFiles(
            number=self.number,
            path=self.paths.root,
            epochs=tuple((epoch, state.epochs[epoch]) for epoch in sorted(state.epochs)),
            total_epochs=state.total_epochs,
            resumed_epoch=state.resumed_epoch,
            params=state.params,
            samples=tuple(self._samples()),
            notes=tuple(state.notes),
            system=self._system_rows.all(),
            devices=self._device_rows.all(),
            finding=self._documents["finding"].record,
            exit=self._documents["exit"].record,
            command=self._documents["command"].record,
            skipped=state.skipped,
            is_loaded=self.is_caught_up,
        )

    def _samples(self) -> list[SampleView]:
        views = []
        for name, epoch, caption, panels in self._events.state.samples:
            path = inside(self.paths.root, name)
            if path is not None:
                views.append(SampleView(self.number, path, epoch, caption, panels))
        return views


def inside(root: Path, name: str) -> Path | None:
    """A path that a trainer told, if it stays inside the attempt's folder by its text."""
    if not name or "\0" in name:
        return None
    relative = Path(name)
    if relative.is_absolute():
        return relative if relative.is_relative_to(root) and ".." not in relative.parts else None
    return None if ".." in relative.parts else root / relative
