"""`htr-tui devices` and the GPU rows of `doctor`, on a fake driver library and real locks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from htr_tui.devices.board import VARIABLE
from htr_tui.executors.claims import ClaimBoard
from tests.fakes import nvml

pytestmark = pytest.mark.skipif(not nvml.has_compiler(), reason="no gcc")
GPU0 = "GPU-00000000-fake"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml"))


class Machine:
    """A machine whose cards are lines of text."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.cards = folder / "cards.txt"
        self.env = {**os.environ, **nvml.environment(library, self.cards)}
        self.folder = folder

    def run(self, command: str, *options: str, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "htr_tui", "--dir", str(self.folder), command, *options],
            capture_output=True, text=True, timeout=120, env={**self.env, **env},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, command: str, **env: str) -> dict[str, Any]:
        record = json.loads(self.run(command, "--json", **env))
        assert isinstance(record, dict)
        return record


@pytest.fixture
def machine(library: Path, tmp_path: Path) -> Machine:
    return Machine(library, tmp_path)


def test_no_gpu_is_no_failure(machine: Machine) -> None:
    machine.cards.write_text("error nvmlInitWithFlags 9\n")
    view = machine.json("devices")
    assert view["devices"] == []
    assert "no NVIDIA driver" in view["error"]
    assert view["host"]["memory_total"] > 0
    assert "no GPU" in machine.run("devices")


def test_who_holds_a_card_who_waits_and_who_else_is_there(machine: Machine) -> None:
    machine.cards.write_text(
        "card 0 util=93 used=11000 total=16384 temp=71 power=210000\ncard 1 used=0\n"
        f"process 0 {os.getpid()} 9000\nprocess 0 1 1500\nprocess 0 4190000 -1\n"
    )
    folder = Path(os.environ[VARIABLE])
    mine = ClaimBoard(folder, study="loss\x1b[31m-weights", path=Path("/somewhere/runs/loss"), priority=3)
    other = ClaimBoard(folder, study="other", path=Path("/somewhere/runs/other"), priority=7)
    with mine.choosing() as board:
        claim = mine.claim(board, GPU0, label="gpu0", trial=4, attempt=2, expected_bytes=12_000_000_000)
        other.wish(board, frozenset({GPU0}), None)
    mine.tell_runner(claim.name, os.getpid())
    first, second = machine.json("devices")["devices"]
    assert (first["label"], first["id"], first["state"], first["visible"]) == ("gpu0", GPU0, "ok", True)
    assert (first["utilization"], first["temperature"], first["power_w"]) == (93, 71, 210)
    holder = first["holders"][0]
    assert (holder["study"], holder["trial"], holder["attempt"]) == ("loss-weights", 4, 2)
    assert (holder["pid"], holder["used_bytes"], holder["expected_bytes"]) == (os.getpid(), 9000 << 20, 12_000_000_000)
    assert [(wish["study"], wish["priority"]) for wish in first["wishes"]] == [("other", 7)]
    by_pid = {process["pid"]: process for process in first["processes"]}
    assert by_pid[os.getpid()]["study"] == "loss-weights"
    assert (by_pid[1]["study"], by_pid[1]["used_bytes"]) == (None, 1500 << 20)
    assert by_pid[1]["command"]
    assert (by_pid[4190000]["user"], by_pid[4190000]["used_bytes"]) == (None, None)
    assert second["holders"] == second["wishes"] == second["processes"] == []
    text = machine.run("devices")
    assert "\x1b" not in text
    assert "gpu0: held by trial 4 of loss-weights" in text
    assert "pid 4190000 (not visible from here) holds an unknown part" in text
    assert "priority 7, waits" in text
    claim.remove()
    other.withdraw()
    assert machine.json("devices")["devices"][0]["holders"] == []


def test_instances_lost_and_hidden_cards(machine: Machine) -> None:
    machine.cards.write_text(
        "card 0 total=8192 mig=1 slices=2\nslice 0 0 used=600 total=5120\nslice 0 1 used=0 total=3072\n"
        "card 1\ncard 2 mode=2\nerror nvmlDeviceGetHandleByIndex_v2 15 1\n"
    )
    view = machine.json("devices", CUDA_VISIBLE_DEVICES="MIG-00000000-1-fake")
    found = [(d["label"], d["kind"], d["state"], d["visible"], d["total_bytes"]) for d in view["devices"]]
    assert found == [
        ("gpu0/0", "mig", "ok", False, 5120 << 20),
        ("gpu0/1", "mig", "ok", True, 3072 << 20),
        ("gpu1", "gpu", "lost", False, None),
        ("gpu2", "gpu", "prohibited", False, 16384 << 20),
    ]
    text = machine.run("devices", CUDA_VISIBLE_DEVICES="MIG-00000000-1-fake")
    assert "lost" in text
    assert "hidden" in text
    rows = {row["name"]: row for row in machine.json("doctor", CUDA_VISIBLE_DEVICES="MIG-00000000-1-fake")["rows"]}
    assert "cut into 2 MIG instances" in rows["gpu 0"]["found"]
    assert "MIG-00000000-1-fake" in rows["gpu 0/1"]["found"]
    assert rows["gpu 1"]["status"] == rows["gpu 2"]["status"] == "warn"
    assert "hides 3" in rows["visible gpus"]["found"]
    assert rows["device locks"]["status"] == "ok"


def test_the_doctor_names_a_board_that_is_not_safe(machine: Machine, tmp_path: Path) -> None:
    machine.cards.write_text("card 0 error nvml\n")
    board = tmp_path / "open"
    board.mkdir()
    board.chmod(0o777)
    rows = {row["name"]: row for row in machine.json("doctor", **{VARIABLE: str(board)})["rows"]}
    assert rows["device locks"]["status"] == "warn"
    assert "delete our locks" in rows["device locks"]["found"]
    assert "not safe" in machine.json("devices", **{VARIABLE: str(board)})["board"]["error"]
