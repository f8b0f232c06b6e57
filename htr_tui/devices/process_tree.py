"""How much GPU memory a trial's processes hold: the driver's pids matched with the tree below the trainer."""

from __future__ import annotations

from collections.abc import Collection

from htr_tui.devices.nvml import DeviceReport


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
