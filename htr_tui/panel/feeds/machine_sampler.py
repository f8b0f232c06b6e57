"""What the driver, the board of devices and the host say, as one frozen record; rounded, so that noise draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from htr_tui.devices.host import HostSample, sample_host
from htr_tui.devices.nvml import DeviceReport, GpuSampler
from htr_tui.devices.view import look
from htr_tui.panel.views import DeviceView, GpuView, HolderView, MachineView, ProcessView

MEMORY_STEP = 64 << 20
"""Memory is rounded to this."""
PROCESS_STEP = 1 << 20
DISK_STEP = 1 << 30


def real_sampler(folder: Path) -> Callable[[], MachineView]:
    """Asks NVML, the board of devices and psutil; `folder` holds `runs/`."""
    gpus = GpuSampler()

    def sample() -> MachineView:
        report, host = gpus.sample(), sample_host(folder)
        return view_machine(report, host, look(report, host), folder / "runs")

    return sample


def view_machine(report: DeviceReport, host: HostSample, record: Mapping[str, Any], runs: Path) -> MachineView:
    """The machine for the screen; `record` is what `htr-tui devices --json` prints."""
    return MachineView(
        gpus=tuple(
            GpuView(
                gpu.index,
                gpu.name,
                _rounded(gpu.used_bytes),
                gpu.total_bytes,
                _whole(gpu.utilization),
                gpu.temperature,
                _whole(gpu.power_w),
            )
            for gpu in report.gpus
        ),
        gpu_error=report.error,
        cpu_percent=float(round(host.cpu_percent)),
        memory_used=_rounded(host.memory_used),
        memory_total=host.memory_total,
        load=None if host.load is None else round(host.load, 1),
        disk_free=_rounded(host.disk_free, DISK_STEP),
        devices=tuple(_device(device, runs) for device in record["devices"]),
        board_error=record["board"]["error"],
        driver=report.driver or "",
    )


def _device(record: Mapping[str, Any], runs: Path) -> DeviceView:
    return DeviceView(
        label=record["label"],
        name=record["name"],
        kind=record["kind"],
        state=record["state"],
        is_visible=record["visible"],
        used_bytes=_rounded(record["used_bytes"]),
        total_bytes=record["total_bytes"],
        load=_whole(record["utilization"]),
        temperature=record["temperature"],
        power_w=_whole(record["power_w"]),
        power_limit_w=record["power_limit_w"],
        holders=tuple(_holder(claim, runs) for claim in record["holders"]),
        wishes=tuple(_holder(wish, runs) for wish in record["wishes"]),
        processes=tuple(
            ProcessView(
                process["pid"],
                _rounded(process["used_bytes"], PROCESS_STEP),
                process["user"] or "",
                process["command"] or "",
                process["study"],
                process["trial"],
            )
            for process in record["processes"]
        ),
    )


def _holder(record: Mapping[str, Any], runs: Path) -> HolderView:
    return HolderView(
        study=record["study"],
        user=record["user"],
        trial=record.get("trial"),
        used_bytes=_rounded(record.get("used_bytes")),
        expected_bytes=record["expected_bytes"],
        priority=record["priority"],
        since=record["since"],
        is_here=record["path"] == str(runs / record["study"]),
    )


def _rounded(size: int | None, step: int = MEMORY_STEP) -> int | None:
    return None if size is None else size // step * step


def _whole(value: float | None) -> float | None:
    return None if value is None else float(round(value))
