"""A supervisor killed again and again, before and after its journal records: the study still ends, each trial once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from htr_tui.cli.run import open_or_create
from tests.fakes.launching import fake_study
from tests.supervisor.test_study import assert_sound


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_around_its_records(tmp_path: Path, seed: int) -> None:
    options = ("--epochs", "2", "--oom-batch", "8", "--only-trial", "1")
    study = fake_study(tmp_path, *options, retries={"gpu_oom": 1}, budget={"trials": 3})
    paths, _, _ = open_or_create(tmp_path, str(study.file))
    chance = random.Random(seed)
    for _ in range(40):
        at, side = chance.randint(2, 6), chance.choice(["before", "after"])
        command = [sys.executable, "-m", "tests.fakes.dying_supervisor", str(paths.root), "--base", str(tmp_path)]
        result = subprocess.run(
            [*command, "--at", str(at), "--side", side], capture_output=True, text=True, timeout=120
        )
        assert result.returncode in (0, -signal.SIGKILL), result.stderr
        if study.fold().ended_reason == "finished":
            break
    fold = study.fold()
    assert fold.ended_reason == "finished"
    study.cli("run", "fake")  # one more start repairs what the last death left behind
    study.wait_until_ended()
    assert fold.counts["complete"] == 3
    assert [a.category for a in fold.trials[1].attempts if a.category] == ["gpu_oom"]
    assert all(a.state != "running" for t in fold.trials.values() for a in t.attempts)
    assert_sound(study, 3)
