"""CPU and memory of processes, as the kernel counts them."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class CpuUse:
    """CPU seconds of a process, and of the children that it has waited for; the kernel counts in ticks of 10 ms."""

    own: float
    waited: float

    def __sub__(self, earlier: CpuUse) -> CpuUse:
        return CpuUse(self.own - earlier.own, self.waited - earlier.waited)


def cpu_of(pid: int) -> CpuUse:
    """What a living process used so far."""
    times = psutil.Process(pid).cpu_times()
    return CpuUse(times.user + times.system, times.children_user + times.children_system)


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM, shared libraries included."""
    return int(psutil.Process(pid).memory_info().rss)
