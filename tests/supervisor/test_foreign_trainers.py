"""Whole studies of a trainer that knows nothing of htr-tui, under a real detached supervisor."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from htr_tui.metrics.events import MetricsEvent, all_events
from htr_tui.processes.presence import read_presence
from tests.fakes import foreign_trainer
from tests.fakes.foreign_trainer import loss_of, psnr_of
from tests.fakes.launching import FakeStudy, fake_study
from tests.fakes.waiting import wait_for

PATTERNS = [r"Epoch (?P<epoch>\d+)/", r"loss: (?P<loss>\S+)(?: - val_psnr: (?P<val_psnr>\S+))?"]
SOURCES: dict[str, Any] = {
    "log": {"log": PATTERNS},
    "csv": {"csv": {"path": "{attempt_dir}/log.csv", "first_epoch": 0}},
    "json": {"json": {"path": "{attempt_dir}/*.json", "at": "history"}},
}


def foreign_study(base: Path, form: str, *options: str, gate: int = 1_000_000, **changes: Any) -> FakeStudy:
    command = [sys.executable, foreign_trainer.__file__, "--form", form, "--out", "{attempt_dir}", "--lr", "{lr}"]
    metrics = SOURCES.get(form, changes.pop("metrics", None))
    trainer = {"command": [*command, "--gate", str(base / "gate"), *options], "metrics": metrics, "grace_s": 20}
    return fake_study(
        base,
        gate=gate,
        **{
            "trainer": trainer,
            "search": {"sampler": {"random": {"seed": 1}}, "space": {"lr": {"float": [0.001, 0.1], "log": True}}},
            "objective": {"maximize": "val_psnr", "from": "last"},
            "budget": {"trials": 2},
            **changes,
        },
    )


@pytest.fixture
def studies() -> Iterator[list[FakeStudy]]:
    made: list[FakeStudy] = []
    yield made
    for study in made:
        study.open_gate(1_000_000)
        presence = read_presence(study.paths.supervisor)
        if presence is not None and presence.alive:
            study.cli("stop", "fake", "--now", expect=None)


def assert_complete(study: FakeStudy, trial: int, epochs: int = 3) -> None:
    """All values of a trial, each written once, in the journal and for the panel."""
    record = study.fold().trials[trial]
    lr = record.params["lr"]
    shown = study.json("show", "fake", str(trial))
    assert record.state == "complete"
    assert record.values == (psnr_of(lr, epochs - 1),)
    assert {m["epoch"]: m["values"] for m in shown["metrics"]} == {
        e + 1: {"loss": loss_of(lr, e), "val_psnr": psnr_of(lr, e)} for e in range(epochs)
    }
    assert record.reported == {e + 1: psnr_of(lr, e) for e in range(epochs)}
    attempt = study.paths.attempt(trial, record.attempts[-1].number)
    assert not any(event.source == "" for event in all_events(attempt.events) if isinstance(event, MetricsEvent))


@pytest.mark.parametrize("form", SOURCES)
def test_a_trainer_of_somebody_else_is_a_study(form: str, tmp_path: Path, studies: list[FakeStudy]) -> None:
    study = foreign_study(tmp_path, form)
    studies.append(study)
    study.cli("run", "study.yaml")
    fold = study.wait_until_ended()
    assert fold.ended_reason == "finished"
    for trial in fold.trials:
        assert_complete(study, trial)
    assert [n.message for n in fold.notes if n.level != "info"] == []


@pytest.mark.parametrize("form", ["log", "csv"])
def test_a_killed_supervisor_goes_on_collecting(form: str, tmp_path: Path, studies: list[FakeStudy]) -> None:
    study = foreign_study(tmp_path, form, gate=1, budget={"trials": 1})
    studies.append(study)
    study.cli("run", "study.yaml")
    events = study.paths.attempt(0, 1).events
    wait_for(lambda: sum(isinstance(e, MetricsEvent) for e in all_events(events)) > 1, 60, study.supervisor_log())
    presence = read_presence(study.paths.supervisor)
    assert presence is not None
    os.kill(presence.pid, signal.SIGKILL)
    study.open_gate(1_000_000)
    wait_for(lambda: (events.parent / "exit.json").exists(), 60)
    study.cli("run", "study.yaml")
    study.wait_until_ended()
    assert_complete(study, 0)
    seen: dict[tuple[int, str], float] = {}
    for event in [e for e in all_events(events) if isinstance(e, MetricsEvent)]:
        for name, value in event.values.items():
            assert seen.get((event.epoch, name)) != value
            seen[event.epoch, name] = value


def test_a_foreign_trainer_that_fails_is_failed(tmp_path: Path, studies: list[FakeStudy]) -> None:
    study = foreign_study(tmp_path, "csv", "--status", "3", budget={"trials": 1})
    studies.append(study)
    study.cli("run", "study.yaml")
    trial = study.wait_until_ended().trials[0]
    assert (trial.state, trial.attempts[0].exit_code) == ("failed", 3)
    assert len(study.json("show", "fake", "0")["metrics"]) == 3


def test_a_stopped_foreign_trainer_is_stopped(tmp_path: Path, studies: list[FakeStudy]) -> None:
    study = foreign_study(tmp_path, "csv", gate=0, budget={"trials": 1})
    studies.append(study)
    study.cli("run", "study.yaml")
    wait_for(lambda: study.paths.attempt(0, 1).events.exists(), 60, study.supervisor_log())
    study.cli("stop", "fake")
    assert study.wait_until_ended().trials[0].state == "stopped"


def test_a_file_that_never_comes_is_named(tmp_path: Path, studies: list[FakeStudy]) -> None:
    metrics = {"json": "{attempt_dir}/results/metrics.json"}
    study = foreign_study(tmp_path, "none", metrics=metrics, budget={"trials": 1})
    studies.append(study)
    study.cli("run", "study.yaml")
    fold = study.wait_until_ended()
    assert (fold.trials[0].state, fold.trials[0].category) == ("failed", "bad_config")
    assert any("there is no file" in n.message and "metrics.json" in n.message for n in fold.notes)


def test_metrics_from_the_trainers_own_mlflow_run(tmp_path: Path, studies: list[FakeStudy]) -> None:
    tracking = {"uri": "sqlite:///runs/mlflow.db", "experiment": "theirs"}
    metrics = {"mlflow": {"first_epoch": 0}}
    study = foreign_study(tmp_path, "mlflow", metrics=metrics, tracking=tracking, budget={"trials": 1})
    studies.append(study)
    study.cli("run", "study.yaml")
    study.wait_until_ended(150)
    assert_complete(study, 0)


def test_a_pattern_that_hangs_does_not_hang_the_supervisor(tmp_path: Path, studies: list[FakeStudy]) -> None:
    script = "print('a' * 60 + '!', flush=True); print('val_psnr=3')"
    metrics = {"log": [r"(?P<bad>(a+)+)$", r"val_psnr=(?P<val_psnr>\d+)"]}
    trainer = {"command": [sys.executable, "-c", script, "{lr}"], "metrics": metrics}
    study = foreign_study(tmp_path, "none", metrics=None, trainer=trainer, budget={"trials": 1})
    studies.append(study)
    study.cli("run", "study.yaml")
    trial = study.wait_until_ended().trials[0]
    assert (trial.state, trial.values) == ("complete", (3.0,))


def test_a_rule_ends_a_hopeless_foreign_trainer(tmp_path: Path, studies: list[FakeStudy]) -> None:
    """The trainer waits after its second epoch until it is ended; the first is judged by then."""
    study = foreign_study(tmp_path, "csv", gate=1, budget={"trials": 1}, abort="val_psnr < 100 at epoch 1")
    studies.append(study)
    study.cli("run", "study.yaml")
    trial = study.wait_until_ended().trials[0]
    assert (trial.state, trial.category, trial.attempts[0].signal) == ("failed", "aborted", signal.SIGTERM)
    assert len(study.json("show", "fake", "0")["metrics"]) == 2
