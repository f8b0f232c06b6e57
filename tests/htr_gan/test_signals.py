"""The trainer as a process: stopped, killed, and in company."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from htr_gan.training.checkpoint_folder import find_checkpoint, load_arrays
from htr_gan.training.progress import Progress

pytestmark = pytest.mark.smoke

LONG = ("train.epochs=1000", "train.steps=10", "loss.adv=0")


def start(config: Path, out: Path, *overrides: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "htr_gan", "train", str(config), "--out", str(out)]
    for override in overrides:
        command += ["--set", override]
    out.mkdir(exist_ok=True)
    with open(out / "log.txt", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, text=True, env=dict(os.environ))


def events(out: Path) -> list[dict[str, Any]]:
    path = out / "events.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1] if line]


def wait_for(condition: Callable[[], bool], out: Path) -> None:
    deadline = time.monotonic() + 150
    while not condition():
        assert time.monotonic() < deadline, (out / "log.txt").read_text()[-2000:]
        time.sleep(0.05)


def progress_of(out: Path) -> Progress:
    found = find_checkpoint(out)
    assert found is not None
    load_arrays(found.path)
    return found.progress


def count(out: Path, kind: str) -> int:
    return sum(event["kind"] == kind for event in events(out))


def test_killed_then_stopped_and_always_goes_on(micro: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(micro, out, *LONG)
    wait_for(lambda: count(out, "checkpoint") >= 2, out)
    process.kill()
    process.wait()
    killed = progress_of(out)
    assert killed.epochs_done >= 2
    assert count(out, "end") == 0

    process = start(micro, out, *LONG)
    wait_for(lambda: count(out, "start") == 2 and events(out)[-1]["kind"] == "checkpoint", out)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 143
    last = events(out)[-1]
    assert (last["kind"], last["status"]) == ("end", "stopped")
    stopped = progress_of(out)
    assert stopped.global_step > killed.global_step
    assert stopped.global_step == stopped.epochs_done * 10 + stopped.steps_done
    epochs = [event["epoch"] for event in events(out) if event["kind"] == "metrics"]
    assert epochs == list(range(1, stopped.epochs_done + 1)), "epoch numbers go on"
    log = (out / "log.txt").read_text()
    assert "\x1b" not in log
    assert "\r" not in log
    assert "Traceback" not in log


def test_a_recogniser_whose_trainer_was_killed_is_finished_by_the_next(micro: Path, tmp_path: Path) -> None:
    recogniser = micro.with_name("recognizer.yaml")
    recogniser.write_text(recogniser.read_text().replace("epochs: 2, steps: 3", "epochs: 12, steps: 10"))
    first, second = tmp_path / "first", tmp_path / "second"
    short = ("train.epochs=1", "loss.adv=0")

    def notes(out: Path, words: str) -> int:
        return sum(words in event.get("message", "") for event in events(out))

    leader = start(micro, first, *short)
    wait_for(lambda: bool(list((tmp_path / "cache").glob("recognizers/*.work/checkpoints/epoch-*"))), first)
    leader.send_signal(signal.SIGSTOP)  # it holds the lock until it is killed
    follower = start(micro, second, *short)
    wait_for(lambda: notes(second, "waiting for another process") >= 1, second)
    leader.kill()
    leader.wait()
    assert follower.wait(timeout=150) == 0, (second / "log.txt").read_text()[-2000:]
    assert notes(second, "going on after epoch") == 1
    assert notes(second, "recogniser trained, sha256") == 1
    assert notes(second, "recogniser: epoch 1,") == 0, "what the killed process had learned is kept"
    left = sorted(path.suffix for path in (tmp_path / "cache" / "recognizers").iterdir())
    assert left == ["", ".lock"]
