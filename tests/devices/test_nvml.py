from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import nvml

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


class Probe:
    """A process that samples the machine described in a text file."""

    def __init__(self, library: Path, machine: Path) -> None:
        self.machine = machine
        env = {**os.environ, **nvml.environment(library, machine), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.devices.probe"],
            cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def sample(self, machine: str | None = None, clock: float | None = None) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if machine is not None:
            self.machine.write_text(machine)
        if clock is not None:
            self.process.stdin.write(f"clock {clock}\n")
        self.process.stdin.write("sample\n")
        self.process.stdin.flush()
        report: dict[str, Any] = json.loads(self.process.stdout.readline())
        return report

    def close(self) -> None:
        self.process.communicate(timeout=60)


@pytest.fixture
def probe(fake_nvml: Path, tmp_path: Path) -> Iterator[Probe]:
    started = Probe(fake_nvml, tmp_path / "machine.txt")
    yield started
    started.close()


def test_two_cards_with_their_processes(probe: Probe) -> None:
    report = probe.sample(
        "card 0 util=37 used=2000 total=81920 temp=55 power=210000 limit=700000\ncard 1\n"
        "process 0 4711 1990\nprocess 0 4712 -1\n"
    )
    assert report["error"] is None
    assert report["driver"] == "570.00"
    first, second = report["gpus"]
    assert first["used_bytes"] == 2000 * MIB
    assert first["total_bytes"] == 81920 * MIB
    assert (first["utilization"], first["temperature"], first["power_w"], first["power_limit_w"]) == (37, 55, 210, 700)
    assert first["name"] == "Fake GPU 0"
    assert first["processes"] == [{"pid": 4711, "used_bytes": 1990 * MIB}, {"pid": 4712, "used_bytes": None}]
    assert second["processes"] == []


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetUtilizationRates", "utilization"),
        ("nvmlDeviceGetTemperature", "temperature"),
        ("nvmlDeviceGetPowerUsage", "power_w"),
        ("nvmlDeviceGetEnforcedPowerLimit", "power_limit_w"),
    ],
)
@pytest.mark.parametrize("code", [3, 13, 999])
def test_a_missing_sensor_is_none_and_costs_nothing_else(probe: Probe, function: str, field: str, code: int) -> None:
    gpu = probe.sample(f"card 0 util=5 used=10\nerror {function} {code}\n")["gpus"][0]
    assert gpu[field] is None
    assert gpu["used_bytes"] == 10 * MIB
    assert not gpu["is_lost"]


def test_no_driver_is_a_normal_case_and_is_asked_again_after_a_minute(probe: Probe) -> None:
    assert probe.sample()["error"] == "no NVIDIA driver: Driver Not Loaded"
    assert probe.sample("card 0\n", clock=59)["error"].startswith("no NVIDIA driver")
    assert len(probe.sample(clock=61)["gpus"]) == 1


def test_a_driver_that_was_updated_says_what_to_do(probe: Probe) -> None:
    assert "reboot" in probe.sample("card 0\nerror nvmlInitWithFlags 18\n")["error"]


def test_a_lost_card_does_not_take_the_other_with_it(probe: Probe) -> None:
    lost = "card 0 used=1\ncard 1 used=2\n" + "".join(
        f"error {function} 15 0\n"
        for function in ("nvmlDeviceGetMemoryInfo", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetTemperature")
    )
    first, second = probe.sample(lost)["gpus"]
    assert first["is_lost"]
    assert first["used_bytes"] is None
    assert second["used_bytes"] == 2 * MIB
    gone, _ = probe.sample("card 0\ncard 1\nerror nvmlDeviceGetHandleByIndex_v2 15 0\n")["gpus"]
    assert gone["is_lost"]
    assert gone["uuid"] == "GPU-00000000-fake"  # remembered from when it still answered


def test_a_card_that_never_answered_is_named_by_its_error(probe: Probe) -> None:
    gone, other = probe.sample("card 0\ncard 1\nerror nvmlDeviceGetHandleByIndex_v2 15 0\n")["gpus"]
    assert gone["is_lost"]
    assert "GPU is lost" in gone["name"]
    assert not other["is_lost"]


def test_a_card_of_another_container_is_not_lost(probe: Probe) -> None:
    gpu = probe.sample("card 0\nerror nvmlDeviceGetHandleByIndex_v2 4 0\n")["gpus"][0]
    assert (gpu["is_lost"], gpu["mode"]) == (False, "prohibited")


def test_instances_of_a_card_are_devices_with_memory_and_processes_of_their_own(probe: Probe) -> None:
    machine = (
        "card 0 used=700 total=8192 mig=1 slices=2\nslice 0 0 used=600 total=5120\nslice 0 1 used=100 total=3072\n"
        "process 0 4711 550 1\ncard 1 mode=3\n"
    )
    cut, whole = probe.sample(machine)["gpus"]
    assert cut["is_mig"]
    assert [part["uuid"] for part in cut["instances"]] == ["MIG-00000000-0-fake", "MIG-00000000-1-fake"]
    assert [(p["used_bytes"], p["total_bytes"]) for p in cut["instances"]] == [
        (600 * MIB, 5120 * MIB),
        (100 * MIB, 3072 * MIB),
    ]
    assert cut["instances"][1]["processes"] == cut["processes"] == [{"pid": 4711, "used_bytes": 550 * MIB}]
    assert cut["instances"][0]["processes"] == []
    assert (whole["is_mig"], whole["instances"], whole["mode"]) == (False, [], "exclusive")


def test_a_driver_that_stops_answering_comes_back(probe: Probe) -> None:
    assert len(probe.sample("card 0\n")["gpus"]) == 1
    assert "stopped answering" in probe.sample("card 0\nerror nvmlDeviceGetCount_v2 999\n", clock=10)["error"]
    assert probe.sample("card 0\n", clock=20)["gpus"] == []
    assert len(probe.sample(clock=71)["gpus"]) == 1


def test_unified_memory_is_the_hosts(probe: Probe) -> None:
    gpu = probe.sample("card 0 used=5\nerror nvmlDeviceGetMemoryInfo 3\n")["gpus"][0]
    assert (gpu["used_bytes"], gpu["total_bytes"], gpu["has_shared_memory"]) == (3, 7, True)


def test_a_card_cut_into_instances_is_their_sum(probe: Probe) -> None:
    machine = "card 0 used=100 total=8192 mig=1 slices=2\nerror nvmlDeviceGetMemoryInfo 3 0\nerror nvmlDeviceGetUtilizationRates 3\n"
    gpu = probe.sample(machine)["gpus"][0]
    assert (gpu["used_bytes"], gpu["total_bytes"]) == (200 * MIB, 8192 * MIB)
    assert gpu["utilization"] is None
    assert not gpu["has_shared_memory"]


def test_many_processes_fit(probe: Probe) -> None:
    machine = "card 0\n" + "".join(f"process 0 {100 + i} 1\n" for i in range(40))
    assert len(probe.sample(machine)["gpus"][0]["processes"]) == 40


def test_a_process_list_that_fails_is_empty(probe: Probe) -> None:
    machine = "card 0\nprocess 0 5 5\nerror nvmlDeviceGetComputeRunningProcesses_v3 4\n"
    assert probe.sample(machine)["gpus"][0]["processes"] == []


def test_without_any_library_the_report_says_so(tmp_path: Path) -> None:
    run: Callable[..., Any] = subprocess.run
    code = "from htr_tui.devices.nvml import GpuSampler; r = GpuSampler().sample(); print(len(r.gpus), r.error or '')"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    count, _, error = done.stdout.strip().partition(" ")
    assert int(count) > 0 or error
