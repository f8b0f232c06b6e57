"""What the events of one attempt add up to, followed a bounded slice at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from htr_tui.files import TailReader, to_number
from htr_tui.journal.paths import AttemptPaths
from htr_tui.metrics.events import (
    Event,
    EventsReader,
    MetricsEvent,
    NoteEvent,
    ProgressEvent,
    SampleEvent,
    StartEvent,
)
from htr_tui.panel.views import LiveAttempt

SLICE_BYTES = 1 << 19
SAMPLES_KEPT = 2000
NOTES_KEPT = 50


@dataclass(slots=True)
class EventsState:
    """The newest of everything an attempt's trainer told."""

    epochs: dict[int, Mapping[str, float]] = field(default_factory=dict)
    epoch: int | None = None
    total_epochs: int | None = None
    resumed_epoch: int | None = None
    step: int | None = None
    of: int | None = None
    rate: float | None = None
    last_t: float | None = None
    params: dict[str, Any] = field(default_factory=dict)
    samples: list[SampleEvent] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    skipped: int = 0

    def apply(self, event: Event) -> None:
        """Take one event in."""
        self.last_t = event.t or self.last_t
        match event:
            case StartEvent():
                self.total_epochs, self.of = event.epochs, event.steps
                self.resumed_epoch, self.params = event.resumed_epoch or None, event.params
            case MetricsEvent():
                self.epochs[event.epoch] = {**self.epochs.get(event.epoch, {}), **event.values}
                self.epoch, self.step = event.epoch, None
            case ProgressEvent():
                self.epoch, self.step, self.rate = event.epoch, event.step, event.rate
                self.of = event.of or self.of
            case SampleEvent():
                self.samples.append(event)
                del self.samples[:-SAMPLES_KEPT]
            case NoteEvent():
                self.notes.append((event.level, event.message))
                del self.notes[:-NOTES_KEPT]
            case _:
                pass


@dataclass(slots=True)
class EventsFollower:
    """`events.jsonl` of an attempt."""

    paths: AttemptPaths
    state: EventsState = field(default_factory=EventsState)
    is_caught_up: bool = False
    _reader: EventsReader = field(init=False)

    def __post_init__(self) -> None:
        """Begin at the start of the file."""
        self._reader = EventsReader(self.paths.events)

    def refresh(self) -> bool:
        """Read the next slice; True if anything was new."""
        batch = self._reader.read(SLICE_BYTES)
        if batch.restarted:
            self.state = EventsState()
        self.state.skipped += batch.skipped
        for event in batch.events:
            self.state.apply(event)
        self.is_caught_up = not batch.more
        return bool(batch.events) or batch.restarted or batch.skipped > 0


@dataclass(slots=True)
class LiveFollower:
    """What a running attempt told last: its events and its GPU memory."""

    paths: AttemptPaths
    trial: int
    attempt: int
    _events: EventsFollower = field(init=False)
    _devices: TailReader = field(init=False)
    _gpu_bytes: int | None = None

    def __post_init__(self) -> None:
        """Begin at the start of the files."""
        self._events = EventsFollower(self.paths)
        self._devices = TailReader(self.paths.devices)

    @property
    def is_caught_up(self) -> bool:
        """Whether the files were read to their end."""
        return self._events.is_caught_up

    def refresh(self) -> bool:
        """Read the next slice; True if anything was new."""
        has_events = self._events.refresh()
        records, _ = self._devices.read_records(SLICE_BYTES)
        used = gpu_use(records[-1]) if records else None
        if used is not None:
            self._gpu_bytes = int(used[0])
        return has_events or used is not None

    def live(self) -> LiveAttempt:
        """The newest state as a frozen record."""
        state = self._events.state
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
    total, load, is_found = 0.0, 0.0, False
    for gpu in gpus if isinstance(gpus, list) else [record]:
        if not isinstance(gpu, dict):
            continue
        used = to_number(gpu.get("trial_bytes"))
        used = to_number(gpu.get("used_bytes")) if used is None else used
        if used is not None and math.isfinite(used):
            total, is_found = total + used, True
        percent = to_number(gpu.get("utilization"))
        load = max(load, percent) if percent is not None and math.isfinite(percent) else load
    return (total, load) if is_found else None
