"""How much GPU memory a trial's processes hold: the driver's pids matched with the tree below its runner."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from htr_tui.devices.nvml import DeviceReport, GpuProcess
from htr_tui.text import clean_text

MOST_ANCESTORS = 64


def tree_gpu_bytes(report: DeviceReport, pids: Collection[int]) -> int | None:
    """Bytes that these processes hold on all cards.

    None if the driver tells of none of them, or does not tell how much: in containers and under WSL pids or sizes are
    missing, and nothing seen is not nothing used.
    """
    sizes = [
        process.used_bytes
        for gpu in report.gpus
        for process in gpu.processes
        if process.pid in pids and process.used_bytes is not None
    ]
    return sum(sizes) if sizes else None


def other_gpu_bytes(report: DeviceReport, pids: Collection[int]) -> int | None:
    """Bytes that processes besides these hold on the cards that these are on; None if that cannot be told."""
    shared = [gpu for gpu in report.gpus if any(process.pid in pids for process in gpu.processes)]
    sizes = [p.used_bytes for gpu in shared for p in gpu.processes if p.pid not in pids and p.used_bytes is not None]
    return sum(sizes) if shared else None


def ancestors(pid: int) -> tuple[int, ...]:
    """`pid` and the processes above it, as far as this machine shows them; empty for one of another pid namespace."""
    found: list[int] = []
    while pid > 0 and len(found) < MOST_ANCESTORS and pid not in found:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            break
        if len(fields) < 2:
            break
        found.append(pid)
        pid = int(fields[1])
    return tuple(found)


def by_runner(processes: Iterable[GpuProcess], runners: Collection[int]) -> dict[int | None, list[GpuProcess]]:
    """A device's processes by the runner that they run under; None: under no runner of these."""
    found: dict[int | None, list[GpuProcess]] = {}
    for process in processes:
        above = ancestors(process.pid)
        found.setdefault(next((pid for pid in above if pid in runners), None), []).append(process)
    return found


def known_bytes(processes: Iterable[GpuProcess]) -> int | None:
    """What they hold together; None if the driver tells it of none."""
    sizes = [process.used_bytes for process in processes if process.used_bytes is not None]
    return sum(sizes) if sizes else None


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """Who a process is, as far as this machine may know."""

    pid: int
    user: str | None = None
    command: str | None = None

    @property
    def who(self) -> str:
        """Like "pid 4711 (anna, python)"."""
        known = ", ".join(part for part in (self.user, self.command) if part)
        return f"pid {self.pid} ({known or 'not visible from here'})"


def process_facts(pid: int) -> ProcessFacts:
    """User and command name of a process; None where it is hidden, gone, or one of another pid namespace."""
    import psutil

    try:
        process = psutil.Process(pid)
        return ProcessFacts(pid, clean_text(process.username(), 40), clean_text(process.name(), 40))
    except (psutil.Error, OSError, ValueError, OverflowError):
        return ProcessFacts(pid)
