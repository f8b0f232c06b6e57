"""The one thread that asks the GPU driver, the board of devices and the host how they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from htr_tui.panel.feeds.thread import FeedThread, MessageTarget
from htr_tui.panel.messages import FeedFailed, StoreChanged
from htr_tui.panel.store import Store
from htr_tui.panel.views import MachineView

BUSY_S = 2.0
"""Seconds between questions while a study runs or somebody looks."""
IDLE_S = 10.0
"""Seconds between questions while none does."""
HISTORY = 300
"""Samples kept of each device: ten minutes while a study runs."""

Sampler = Callable[[], MachineView]


class MachineFeed:
    """Samples the machine into the store."""

    def __init__(self, folder: Path, store: Store, target: MessageTarget, sampler: Sampler | None = None) -> None:
        self._folder = folder
        self._store = store
        self._target = target
        self._sampler = sampler
        self.is_watched = False
        self._history: dict[str, deque[tuple[float, float]]] = {}
        self._thread = FeedThread("htr-tui machine", self._step, self._tell_failure)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._thread.stop()

    def watch(self, is_watched: bool) -> None:
        """Somebody looks at the devices: ask now and often, also while no study runs."""
        self.is_watched = is_watched
        if is_watched:
            self._thread.wake()

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive

    def _tell_failure(self, reason: str) -> None:
        self._target.post_message(FeedFailed("machine", reason))

    def _step(self) -> float:
        if self._sampler is None:
            # In the thread, because loading a driver library takes its time.
            from htr_tui.panel.feeds.machine_sampler import real_sampler

            self._sampler = real_sampler(self._folder)
        if self._store.put_machine(self._with_history(self._sampler())):
            self._target.post_message(StoreChanged())
        is_busy = self.is_watched or any(study.is_busy for study in self._store.studies())
        return BUSY_S if is_busy else IDLE_S

    def _with_history(self, machine: MachineView) -> MachineView:
        for device in machine.devices:
            if device.used_bytes is not None:
                samples = self._history.setdefault(device.label, deque(maxlen=HISTORY))
                samples.append((float(device.used_bytes), device.load or 0.0))
        known = {device.label for device in machine.devices}
        self._history = {label: samples for label, samples in self._history.items() if label in known}
        return replace(machine, history={label: tuple(samples) for label, samples in self._history.items()})
