from __future__ import annotations

from pathlib import Path

import pytest

from htr_tui.devices.host import disk_space, sample_host, visible_gpus
from htr_tui.devices.nvml import DeviceReport, GpuProcess, GpuSample
from htr_tui.devices.process_tree import other_gpu_bytes, tree_gpu_bytes

GPUS = tuple(GpuSample(i, uuid, f"card {i}") for i, uuid in enumerate(("GPU-aa11", "GPU-ab22", "GPU-cc33")))


@pytest.mark.parametrize(
    ("value", "indices"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("1", [1]),
        ("2,0", [2, 0]),
        (" 2 , 0 ", [2, 0]),
        ("0,-1,2", [0]),
        ("0,9,2", [0]),
        ("0,0", []),
        ("GPU-cc33,GPU-aa11", [2, 0]),
        ("GPU-cc", [2]),
        ("GPU-a", []),
        ("NoDevFiles", []),
        ("MIG-11-22", [0, 1, 2]),
    ],
)
def test_visible_cards_are_those_that_cuda_would_see(value: str | None, indices: list[int]) -> None:
    env = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert [gpu.index for gpu in visible_gpus(DeviceReport(GPUS), env)] == indices


def test_the_host_has_memory_and_a_disk(tmp_path: Path) -> None:
    host = sample_host(tmp_path / "not" / "yet" / "there")
    assert 0 < host.memory_used <= host.memory_total
    assert host.disk_free is not None
    assert host.disk_total is not None
    assert 0 <= host.disk_free <= host.disk_total
    assert host.processors >= 1


def test_a_disk_that_cannot_be_told_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("psutil.disk_usage", refuse)
    assert disk_space(tmp_path) == (None, None)


def test_gpu_memory_of_a_tree_is_that_of_its_pids() -> None:
    first = GpuSample(0, "a", "a", processes=(GpuProcess(10, 100), GpuProcess(11, 50), GpuProcess(99, 7)))
    second = GpuSample(1, "b", "b", processes=(GpuProcess(10, 1000), GpuProcess(12, None)))
    report = DeviceReport((first, second))
    assert tree_gpu_bytes(report, {10, 11}) == 1150
    assert tree_gpu_bytes(report, {12}) is None
    assert tree_gpu_bytes(report, {5}) is None
    assert other_gpu_bytes(report, {11}) == 107
    assert other_gpu_bytes(report, {5}) is None
