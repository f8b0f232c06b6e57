"""The fake trainer does what tests count on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from htr_tui.processes.identity import start_ticks
from tests.fakes import trainer
from tests.fakes.waiting import wait_for


class Attempt:
    """One run of the trainer in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        folder.mkdir()
        self.folder = folder
        env = {**os.environ, "HTR_TUI_TRIAL_DIR": str(folder), "PYTHONUNBUFFERED": "1", **environment}
        command = [sys.executable, trainer.__file__, *arguments]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def wait(self) -> tuple[int, bytes]:
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out

    def events(self, kind: str) -> list[dict[str, Any]]:
        try:
            lines = (self.folder / "events.jsonl").read_bytes().split(b"\n")
        except OSError:
            return []
        return [event for line in lines[:-1] if (event := json.loads(line))["kind"] == kind]

    def epochs(self) -> list[int]:
        return [event["epoch"] for event in self.events("metrics")]


@pytest.fixture
def attempts() -> Iterator[list[Attempt]]:
    started: list[Attempt] = []
    yield started
    for attempt in started:
        attempt.process.kill()
        attempt.process.communicate()


def test_term_stops_with_a_checkpoint_and_the_next_start_goes_on(tmp_path: Path, attempts: list[Attempt]) -> None:
    gate = tmp_path / "gate"
    first = Attempt(tmp_path / "1", "--epochs", "4", "--gate", str(gate))
    attempts.append(first)
    wait_for(lambda: first.epochs() == [1])
    gate.write_text("2")
    wait_for(lambda: first.epochs() == [1, 2])
    first.process.send_signal(signal.SIGTERM)
    assert first.wait()[0] == 143
    assert [event["status"] for event in first.events("end")] == ["stopped"]
    second = Attempt(tmp_path / "2", "--epochs", "4", HTR_TUI_RESUME_FROM=str(first.folder))
    attempts.append(second)
    assert second.wait()[0] == 0
    assert second.epochs() == [3, 4]
    assert second.events("start")[0]["resumed_epoch"] == 2


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--crash-at", "2", "--crash-text", "boom", "--status", "7"], 7, b"boom"),
        (["--signal", "9"], -9, b""),
        (["--oom-batch", "8"], 1, b"OOM when allocating tensor with shape[8,"),
        (["--oom-batch", "8", "--set", "train.batch=4"], 0, b"done"),
        (["--oom-batch", "8", "--until-attempt", "0"], 0, b"done"),
        (["--crash-at", "1", "--only-trial", "3"], 0, b"done"),
        (["--status", "5"], 5, b"done"),
        (["--binary"], 0, b"\x1b[2J"),
        (["--eat-mb", "5", "--no-events"], 0, b"done"),
    ],
    ids=str,
)
def test_faults(tmp_path: Path, attempts: list[Attempt], arguments: list[str], status: int, text: bytes) -> None:
    attempt = Attempt(tmp_path / "a", *arguments, HTR_TUI_ATTEMPT="1", HTR_TUI_TRIAL="0")
    attempts.append(attempt)
    found, out = attempt.wait()
    assert found == status
    assert text in out
    assert (attempt.folder / "events.jsonl").exists() == ("--no-events" not in arguments)


def test_printing_much(tmp_path: Path, attempts: list[Attempt]) -> None:
    attempt = Attempt(tmp_path / "a", "--print-mb", "2")
    attempts.append(attempt)
    assert len(attempt.wait()[1]) > 2 << 20


def test_a_hanging_trainer_that_ignores_term_and_leaves_processes(tmp_path: Path, attempts: list[Attempt]) -> None:
    attempt = Attempt(tmp_path / "a", "--hang-at", "1", "--ignore-term", "--grandchild")
    attempts.append(attempt)
    wait_for(lambda: attempt.events("start"))
    file = attempt.folder / "grandchildren.json"
    pids = wait_for(lambda: json.loads(file.read_text()) if file.exists() else None)
    try:
        for _ in range(3):
            attempt.process.send_signal(signal.SIGTERM)
        assert attempt.process.poll() is None
        attempt.process.kill()
        attempt.process.wait()
        assert all(start_ticks(pid) is not None for pid in pids.values())
        assert os.getsid(pids["orphan"]) != os.getsid(pids["child"])
    finally:
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
