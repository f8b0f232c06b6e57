"""Real studies side by side on one fake machine: devices are never shared against their will, whoever is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from htr_tui.cli.run import open_or_create
from htr_tui.devices.board import VARIABLE, Board, read_board
from htr_tui.files import iterate_records, read_json
from htr_tui.journal.records import AttemptRecord
from htr_tui.processes.presence import read_presence
from tests.fakes import nvml
from tests.fakes.launching import FakeStudy, fake_study
from tests.fakes.waiting import wait_for

pytestmark = pytest.mark.skipif(not nvml.has_compiler(), reason="no gcc")


class Machine:
    """Fake cards, and studies in folders of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cards = folder / "cards.txt"

    def cards(self, text: str) -> None:
        temporary = self._folder / "cards.new"
        temporary.write_text(text)
        temporary.replace(self._cards)

    def study(self, name: str, *options: str, **changes: Any) -> FakeStudy:
        return fake_study(self._folder / name, "--epochs", "2", *options, **changes)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    library = tmp_path / "lib"
    library.mkdir()
    for name, value in nvml.environment(nvml.build(library), tmp_path / "cards.txt").items():
        monkeypatch.setenv(name, value)
    made = Machine(tmp_path)
    made.cards("card 0 used=300 total=16384\n")
    return made


def attempts(*studies: FakeStudy) -> list[AttemptRecord]:
    found = [a for study in studies for t in study.fold().trials.values() for a in t.attempts]
    return sorted(found, key=lambda attempt: attempt.started or 0.0)


def most_at_once(found: list[AttemptRecord]) -> int:
    """How many attempts were there at the same time, by the journals' starts and the runners' ends."""
    moments = [((a.started or 0.0), 1) for a in found] + [((a.ended or 0.0), -1) for a in found]
    count = most = 0
    for _, change in sorted(moments):
        count += change
        most = max(most, count)
    return most


def running(study: FakeStudy) -> int:
    return study.fold().counts["running"]


def supervisor_pid(study: FakeStudy) -> int:
    presence = read_presence(study.paths.supervisor)
    assert presence is not None
    return presence.pid


def test_two_studies_take_turns_on_one_card(machine: Machine) -> None:
    studies = [machine.study(name, budget={"trials": 3}) for name in ("a", "b")]
    for study in studies:
        study.cli("run", str(study.file))
    for study in studies:
        fold = study.wait_until_ended()
        assert fold.counts["complete"] == 3
        assert fold.waiting is None
    found = attempts(*studies)
    assert len(found) == 6
    assert {a.devices for a in found} == {("0",)}
    assert most_at_once(found) == 1


def test_two_studies_spread_over_two_cards(machine: Machine) -> None:
    machine.cards("card 0 used=300 total=16384\ncard 1 used=300 total=16384\n")
    studies = [machine.study(name, gate=1, budget={"trials": 1}) for name in ("a", "b")]
    for study in studies:
        study.cli("run", str(study.file))
    wait_for(lambda: all(running(study) == 1 for study in studies), 60)
    assert sorted(a.devices for a in attempts(*studies)) == [("0",), ("1",)]
    view = studies[0].json("devices")["devices"]
    wait_for(lambda: all(c.runner for c in read_board(Path(os.environ[VARIABLE])).claims))
    assert {Path(holder["path"]) for device in view for holder in device["holders"]} == {s.paths.root for s in studies}
    for study in studies:
        study.open_gate(100)
        study.wait_until_ended()
    assert [holder for device in studies[0].json("devices")["devices"] for holder in device["holders"]] == []


def test_a_device_stays_taken_when_the_supervisor_dies_and_is_free_when_the_runner_does(machine: Machine) -> None:
    first = machine.study("a", gate=1, budget={"trials": 1})
    first.cli("run", str(first.file))
    wait_for(lambda: running(first) == 1 and first.paths.attempt(0, 1).runner.exists(), 60)
    os.kill(supervisor_pid(first), signal.SIGKILL)
    second = machine.study("b", budget={"trials": 1})
    second.cli("run", str(second.file))
    waiting = wait_for(lambda: second.fold().waiting, 60)
    assert waiting.startswith("gpu0: held by trial 0 of fake (")
    assert running(second) == 0
    runner = read_json(first.paths.attempt(0, 1).runner)
    assert runner is not None
    os.kill(runner["pid"], signal.SIGKILL)
    fold = second.wait_until_ended()
    assert fold.counts["complete"] == 1
    assert fold.waiting is None
    first.open_gate(100)
    first.cli("run", "fake")  # the lost attempt is tried again
    assert first.wait_until_ended().counts["complete"] == 1


def runs(study: FakeStudy) -> list[tuple[float, float]]:
    """When the trainers of a study really ran, by their runners."""
    found = []
    for path in study.paths.root.glob("trials/*/attempt-*/exit.json"):
        started, ended = read_json(path.with_name("runner.json")), read_json(path)
        assert started is not None
        assert ended is not None
        found.append((float(started["started"]), float(ended["end"])))
    return found


def test_a_study_whose_supervisor_dies_all_the_time_beside_one_that_lives(machine: Machine) -> None:
    steady, dying = (machine.study(name, budget={"trials": 2}) for name in ("steady", "dying"))
    paths, _, _ = open_or_create(dying.base, str(dying.file))
    steady.cli("run", str(steady.file))
    chance = random.Random(1)
    command = [sys.executable, "-m", "tests.fakes.dying_supervisor", str(paths.root), "--base", str(dying.base)]
    for _ in range(60):
        at, side = str(chance.randint(3, 8)), chance.choice(["before", "after"])
        done = subprocess.run([*command, "--at", at, "--side", side], capture_output=True, text=True, timeout=120)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        if dying.fold().ended_reason == "finished":
            break
    for study in (steady, dying):
        assert study.wait_until_ended().counts["complete"] == 2
    times = sorted(runs(steady) + runs(dying))
    assert len(times) >= 4
    assert all(before[1] <= after[0] for before, after in pairwise(times)), times
    assert read_board(Path(os.environ[VARIABLE])) == Board()


def test_an_adopted_attempt_keeps_its_card_under_the_next_supervisor(machine: Machine) -> None:
    machine.cards("card 0 used=300 total=16384\ncard 1 used=400 total=16384\n")
    study = machine.study("a", gate=1, budget={"trials": 2}, resources={"parallel": 1})
    study.cli("run", str(study.file))
    wait_for(lambda: running(study) == 1 and study.paths.attempt(0, 1).runner.exists(), 60)
    os.kill(supervisor_pid(study), signal.SIGKILL)
    wait_for(lambda: not (p := read_presence(study.paths.supervisor)) or not p.alive)
    other = machine.study("b", gate=1, budget={"trials": 1}, resources={"parallel": 1})
    other.cli("run", str(other.file))
    study.cli("run", "fake")
    wait_for(lambda: running(other) == 1, 60)
    assert study.fold().trials[0].attempts[0].devices == ("0",)
    assert other.fold().trials[0].attempts[0].devices == ("1",)
    for each in (study, other):
        each.open_gate(100)
        each.wait_until_ended()
    assert [a.state for a in attempts(study)] == ["complete", "complete"]


@pytest.mark.parametrize(("expected_gb", "at_once"), [(6, 2), (9, 1)])
def test_two_trials_share_a_card_when_both_fit(machine: Machine, expected_gb: int, at_once: int) -> None:
    resources = {"trials_per_gpu": 2, "parallel": 2, "expect_gpu_gb": expected_gb}
    study = machine.study("a", gate=1, budget={"trials": 4}, resources=resources)
    study.cli("run", str(study.file))
    if at_once == 1:
        waiting = wait_for(lambda: study.fold().waiting, 60)
        assert "needs about 9.0 GB, 16.9 GB free, 9.0 GB of it promised to trial 0" in waiting
    else:
        wait_for(lambda: running(study) == 2, 60)
    study.open_gate(100)
    fold = study.wait_until_ended()
    assert fold.counts["complete"] == 4
    assert most_at_once(attempts(study)) == at_once


def test_a_stranger_on_the_card_is_waited_for_and_named(machine: Machine) -> None:
    machine.cards("card 0 used=13000 total=16384\nprocess 0 1 12700\n")
    study = machine.study("a", budget={"trials": 1}, resources={"expect_gpu_gb": 8})
    study.cli("run", str(study.file))
    waiting = wait_for(lambda: study.fold().waiting, 60)
    assert waiting.startswith("gpu0: needs about 8.0 GB, 3.5 GB free; pid 1 (root, ")
    machine.cards("card 0 used=300 total=16384\n")
    fold = study.wait_until_ended()
    assert fold.counts["complete"] == 1
    assert fold.waiting is None


def test_a_card_that_falls_off_costs_its_own_trials_only(machine: Machine) -> None:
    cards = "card 0 used=300 total=16384\ncard 1 used=400 total=16384\n"
    machine.cards(cards)
    study = machine.study("a", gate=1, budget={"trials": 4}, resources={"parallel": "auto"})
    study.cli("run", str(study.file))
    wait_for(lambda: running(study) == 2, 60)
    machine.cards(f"{cards}error nvmlDeviceGetHandleByIndex_v2 15 0\n")
    samples = study.paths.attempt(0, 1).devices
    wait_for(lambda: any(r["gpus"][0]["used_bytes"] is None for r in iterate_records(samples)), 60)
    study.open_gate(100)
    fold = study.wait_until_ended()
    assert fold.counts["complete"] == 4
    assert {fold.trials[n].attempts[0].devices for n in (2, 3)} == {("GPU-00000001-fake",)}
    assert [note.message for note in fold.notes if note.level == "error"] == [
        "gpu0 (GPU-00000000-fake) no longer answers: no new trial starts there"
    ]


def test_trainers_get_instances_and_only_visible_ones(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.cards("card 0 total=16384 mig=1 slices=3\ncard 1 total=16384\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-00000000-2-fake,MIG-00000000-0-fake")
    study = machine.study("a", gate=1, budget={"trials": 3}, resources={"parallel": "auto"})
    study.cli("run", str(study.file))
    wait_for(lambda: running(study) == 2, 60)
    given = {(read_json(study.paths.attempt(n, 1).command) or {})["env"]["CUDA_VISIBLE_DEVICES"] for n in (0, 1)}
    assert given == {"MIG-00000000-0-fake", "MIG-00000000-2-fake"}
    study.open_gate(100)
    assert study.wait_until_ended().counts["complete"] == 3
    assert most_at_once(attempts(study)) == 2


def test_a_higher_priority_gets_the_next_turn(machine: Machine) -> None:
    low = machine.study("low", gate=1, budget={"trials": 3}, priority=-5)
    low.cli("run", str(low.file))
    wait_for(lambda: running(low) == 1, 60)
    high = machine.study("high", budget={"trials": 3}, priority=5)
    high.cli("run", str(high.file))
    wait_for(lambda: high.fold().waiting and read_board(Path(os.environ[VARIABLE])).wishes, 60)
    low.open_gate(100)
    high.wait_until_ended()
    low.wait_until_ended()
    order = [a in attempts(high) for a in attempts(low, high)]
    assert order == [False, True, True, True, False, False]
    assert most_at_once(attempts(low, high)) == 1
