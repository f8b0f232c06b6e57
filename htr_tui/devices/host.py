"""Host memory, cores, load and disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


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


@dataclass(frozen=True, slots=True)
class HostRoom:
    """What this machine, or the container that we are in, still has for trials."""

    cores: float
    memory_free: int
    """Bytes that can be taken without swapping."""
    memory_total: int


def host_room(cgroups: Path = Path("/sys/fs/cgroup")) -> HostRoom:
    """Cores that we may use, and memory, with the limits of our control group (a container, a Slurm job)."""
    import psutil

    memory = psutil.virtual_memory()
    cores, free, total = float(len(os.sched_getaffinity(0))), int(memory.available), int(memory.total)
    for folder in _own_groups(cgroups):
        quota = _words(folder / "cpu.max")
        if len(quota) == 2 and quota[0].isdigit() and int(quota[1]) > 0:
            cores = min(cores, int(quota[0]) / int(quota[1]))
        limit, used = _words(folder / "memory.max"), _words(folder / "memory.current")
        if limit and limit[0].isdigit() and used and used[0].isdigit():
            total = min(total, int(limit[0]))
            free = min(free, int(limit[0]) - int(used[0]) + _inactive_file(folder))
    return HostRoom(cores, max(0, free), total)


def _own_groups(root: Path) -> list[Path]:
    """Our control group and those above it (version 2)."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    name = next((line[3:] for line in lines if line.startswith("0::")), "/")
    own = root / name.lstrip("/")
    return [folder for folder in (own, *own.parents) if folder == root or root in folder.parents]


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []


def _inactive_file(folder: Path) -> int:
    """Pages of files that the kernel gives back when memory is short."""
    words = _words(folder / "memory.stat")
    for name, value in zip(words[::2], words[1::2], strict=False):
        if name == "inactive_file" and value.isdigit():
            return int(value)
    return 0
