"""Host memory, load and disk, and which GPUs a process may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from htr_tui.devices.nvml import DeviceReport, GpuSample


@dataclass(frozen=True, slots=True)
class HostSample:
    """The machine at one moment; sizes in bytes."""

    cpu_percent: float
    """Over all processors, since the sample before; 0 in the first."""
    memory_used: int
    memory_total: int
    swap_used: int
    swap_total: int
    load: float | None
    """Average of the last minute; None where the system does not know it."""
    processors: int
    disk_free: int | None
    """On the file system that was asked for; None if it cannot be told."""
    disk_total: int | None


def sample_host(folder: Path) -> HostSample:
    """The machine now, with the disk that holds `folder` (or its nearest parent that exists)."""
    import psutil

    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    try:
        load: float | None = psutil.getloadavg()[0]
    except OSError:
        load = None
    free, total = disk_space(folder)
    return HostSample(
        cpu_percent=float(psutil.cpu_percent(interval=None)),
        memory_used=int(memory.total - memory.available),
        memory_total=int(memory.total),
        swap_used=int(swap.used),
        swap_total=int(swap.total),
        load=load,
        processors=psutil.cpu_count() or 1,
        disk_free=free,
        disk_total=total,
    )


def disk_space(folder: Path) -> tuple[int | None, int | None]:
    """(free for us, total) in bytes on the file system of `folder`; (None, None) if it cannot be told."""
    import psutil

    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            usage = psutil.disk_usage(str(place))
        except FileNotFoundError:
            continue
        except OSError:
            break
        return int(usage.free), int(usage.total)
    return None, None


def visible_gpus(report: DeviceReport, env: Mapping[str, str]) -> tuple[GpuSample, ...]:
    """The cards of a report that CUDA_VISIBLE_DEVICES leaves, in its order.

    As CUDA reads it: indices, or beginnings of UUIDs; the first wrong or repeated entry ends the list; "" and -1 hide
    all. A MIG instance stands for the card it is on, which its name does not tell: all cards are left then.
    """
    wanted = env.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return report.gpus
    chosen: list[GpuSample] = []
    for entry in (part.strip() for part in wanted.split(",")):
        if entry.startswith("MIG-"):
            return report.gpus
        gpu = _named(report, entry)
        if gpu is None:
            break
        if gpu in chosen:
            return ()  # CUDA sees no device at all when one is named twice
        chosen.append(gpu)
    return tuple(chosen)


def _named(report: DeviceReport, entry: str) -> GpuSample | None:
    if entry.isascii() and entry.isdecimal():
        return next((gpu for gpu in report.gpus if gpu.index == int(entry)), None)
    if not entry.startswith("GPU-"):
        return None
    matches = [gpu for gpu in report.gpus if gpu.uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None
