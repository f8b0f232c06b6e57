"""Follows all files of one attempt, for the trial that is being looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from htr_tui.files import TailReader, to_number
from htr_tui.journal.paths import AttemptPaths
from htr_tui.panel.feeds.events import SLICE_BYTES, EventsFollower, gpu_use
from htr_tui.panel.feeds.json_file import JsonFile
from htr_tui.panel.feeds.series import ThinnedSeries
from htr_tui.panel.views import AttemptFiles, SampleView


@dataclass(slots=True)
class AttemptFollower:
    """Everything the Trial screen shows of one attempt."""

    paths: AttemptPaths
    number: int
    is_caught_up: bool = False
    _events: EventsFollower = field(init=False)
    _system: TailReader = field(init=False)
    _devices: TailReader = field(init=False)
    _system_rows: ThinnedSeries = field(default_factory=ThinnedSeries)
    _device_rows: ThinnedSeries = field(default_factory=ThinnedSeries)
    _documents: dict[str, JsonFile] = field(init=False)

    def __post_init__(self) -> None:
        """Begin at the start of the files."""
        self._events = EventsFollower(self.paths)
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
        changed = [document.refresh() for document in self._documents.values()]
        was_caught_up = self.is_caught_up
        self.is_caught_up = self._events.is_caught_up and not has_rows
        return has_events or has_rows or any(changed) or was_caught_up != self.is_caught_up

    def _read_system(self) -> bool:
        records, _ = self._system.read_records(SLICE_BYTES)
        for record in records:
            t, rss, cpu = (to_number(record.get(name)) for name in ("t", "rss_bytes", "cpu_percent"))
            if t is not None and rss is not None and math.isfinite(t) and math.isfinite(rss):
                self._system_rows.add((t, rss, cpu if cpu is not None and math.isfinite(cpu) else 0.0))
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
            samples=tuple(
                SampleView(
                    self.number, self.paths.root / event.path, event.epoch, event.caption, event.panels, event.rows
                )
                for event in state.samples
            ),
            notes=tuple(state.notes),
            system=self._system_rows.all(),
            devices=self._device_rows.all(),
            finding=self._documents["finding"].record,
            exit=self._documents["exit"].record,
            command=self._documents["command"].record,
            skipped=state.skipped,
            is_loaded=self.is_caught_up,
        )
