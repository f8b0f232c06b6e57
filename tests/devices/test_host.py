from __future__ import annotations

from pathlib import Path

import pytest

from htr_tui.devices.host import disk_space, host_room, sample_host
from htr_tui.devices.nvml import DeviceReport, GpuProcess, GpuSample
from htr_tui.devices.process_tree import other_gpu_bytes, tree_gpu_bytes


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


def test_the_limits_of_a_control_group_are_the_machines_limits(tmp_path: Path) -> None:
    whole = host_room(tmp_path / "none")
    assert whole.cores >= 1
    assert 0 < whole.memory_free <= whole.memory_total
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 700000\ninactive_file 50000\n")
    room = host_room(tmp_path)
    assert (room.cores, room.memory_free, room.memory_total) == (0.5, 150_000, 1_000_000)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert host_room(tmp_path).memory_total == whole.memory_total
