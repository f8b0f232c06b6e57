"""The one thread that asks the GPU driver and the host how they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from htr_tui.panel.feeds.thread import FeedThread, MessageTarget
from htr_tui.panel.messages import FeedFailed, StoreChanged
from htr_tui.panel.store import Store
from htr_tui.panel.views import GpuView, MachineView

BUSY_S = 2.0
"""Seconds between questions while a study runs."""
IDLE_S = 10.0
"""Seconds between questions while none does."""
MEMORY_STEP = 64 << 20
"""Memory is rounded to this, so that noise draws nothing."""

Sampler = Callable[[], MachineView]


class MachineFeed:
    """Samples the machine into the store."""

    def __init__(self, folder: Path, store: Store, target: MessageTarget, sampler: Sampler | None = None) -> None:
        self._folder = folder
        self._store = store
        self._target = target
        self._sampler = sampler
        self._thread = FeedThread("htr-tui machine", self._step, self._tell_failure)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._thread.stop()

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive

    def _tell_failure(self, reason: str) -> None:
        self._target.post_message(FeedFailed("machine", reason))

    def _step(self) -> float:
        if self._sampler is None:
            self._sampler = real_sampler(self._folder)
        if self._store.put_machine(self._sampler()):
            self._target.post_message(StoreChanged())
        is_busy = any(study.state == "running" for study in self._store.studies())
        return BUSY_S if is_busy else IDLE_S


def real_sampler(folder: Path) -> Sampler:
    """NVML and psutil; made in the thread, because loading a driver library takes its time."""
    from htr_tui.devices.host import sample_host
    from htr_tui.devices.nvml import GpuSampler

    gpus = GpuSampler()

    def sample() -> MachineView:
        report, host = gpus.sample(), sample_host(folder)
        return MachineView(
            gpus=tuple(
                GpuView(
                    gpu.index,
                    gpu.name,
                    _rounded(gpu.used_bytes),
                    gpu.total_bytes,
                    None if gpu.utilization is None else float(round(gpu.utilization)),
                    gpu.temperature,
                    gpu.power_w,
                )
                for gpu in report.gpus
            ),
            gpu_error=report.error,
            cpu_percent=float(round(host.cpu_percent)),
            memory_used=_rounded(host.memory_used),
            memory_total=host.memory_total,
            load=None if host.load is None else round(host.load, 1),
            disk_free=_rounded(host.disk_free, 1 << 30),
        )

    return sample


def _rounded(size: int | None, step: int = MEMORY_STEP) -> int | None:
    return None if size is None else size // step * step
