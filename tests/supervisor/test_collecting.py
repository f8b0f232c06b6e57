"""From the study file to a reader of metrics, and when an attempt's epochs and end may be judged."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from htr_tui.files import dump_line
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.study.command import CommandContext
from htr_tui.study.loading import load_study_text
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.collecting import (
    LAST_WORD_S,
    STOPPED_LAST_WORD_S,
    attempt_collector,
    metrics_place,
    ready_reason,
)
from htr_tui.supervisor.observe import AttemptTracker
from htr_tui.tracking.state import StudyMemory, TrackingError, TrialMemory


def spec_of(metrics: Any, objective: str = "psnr") -> StudySpec:
    study = {
        "study": "s",
        "trainer": {"command": ["python", "{lr}"], "metrics": metrics},
        "search": {"space": {"lr": {"float": [0.1, 1.0]}}},
        "objective": {"maximize": objective},
        "budget": {"trials": 1},
    }
    return load_study_text(yaml.safe_dump(study), "study.yaml")


class Attempt:
    """One running attempt in a folder."""

    def __init__(self, base: Path, metrics: Any, objective: str = "psnr") -> None:
        self.base = base
        self.spec = spec_of(metrics, objective)
        self.study = StudyPaths(base / "runs" / "s")
        self.paths = self.study.attempt(0, 1)
        self.paths.root.mkdir(parents=True)
        self.record = AttemptRecord(1, "running", started=time.time())
        self.trial = TrialRecord(number=0, params={"lr": 0.5}, state="running", attempts=(self.record,))

    def tracker(self) -> AttemptTracker:
        collector = attempt_collector(self.spec, self.study, self.base, self.trial, self.record)
        return AttemptTracker(self.study, self.trial, self.record, self.spec.objective, collector)

    def log(self, text: str) -> None:
        with open(self.paths.log, "a") as file:
            file.write(text)


PATTERNS = {"log": [r"epoch (?P<epoch>\d+)", r"(?P<name>loss|psnr)=(?P<value>\S+)"]}


def context_of(base: Path) -> CommandContext:
    root = base / "runs [1]" / "attempt-1"
    return CommandContext("s", 7, 1, root, root / "params.yaml", root / "overrides.yaml", base, overrides={"lr": 0.5})


def test_places_of_files(tmp_path: Path) -> None:
    context, folder = context_of(tmp_path), tmp_path / "cwd"
    attempt = str(context.attempt_dir)

    def path(text: str) -> str:
        return metrics_place(text, folder, context, None).path

    assert path("a/b.csv") == f"{folder}/a/b.csv"
    assert path("/tmp/{study}-{trial}-{lr}.csv") == "/tmp/s-7-0.5.csv"
    assert path("{attempt_dir}/b.csv") == f"{attempt}/b.csv"
    assert path("{launch_dir}/{{b}}.csv") == f"{tmp_path}/{{b}}.csv"
    assert path("{attempt_dir}/v*/b.csv") == f"{tmp_path}/runs [[]1]/attempt-1/v*/b.csv"
    assert path("**/b.csv") == f"{folder}/*/b.csv"


def test_a_pattern_finds_the_trainers_file_and_none_of_ours(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    context.attempt_dir.mkdir(parents=True)
    for age, name in ((9, "history.json"), (5, "exit.json"), (3, "command.json")):
        (context.attempt_dir / name).touch()
        os.utime(context.attempt_dir / name, (1e9 - age, 1e9 - age))
    place = metrics_place("{attempt_dir}/*.json", tmp_path, context, None)
    assert place.find() == context.attempt_dir / "history.json"


def test_an_older_file_of_the_launch_folder_is_not_the_attempts(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, {"csv": "shared.csv"})
    (tmp_path / "shared.csv").write_text("epoch,psnr\n1,5\n")
    os.utime(tmp_path / "shared.csv", (1e9, 1e9))
    attempt.paths.params.touch()
    assert attempt.tracker().own == {}
    os.utime(tmp_path / "shared.csv")
    assert attempt.tracker().own == {1: {"psnr": 5.0}}


def test_events_need_no_collector(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, "events")
    attempt.paths.events.write_bytes(dump_line({"kind": "metrics", "epoch": 1, "values": {"loss": 1}}))
    tracker = attempt.tracker()
    assert tracker.reportable(None) == [1]
    assert tracker.finish()
    assert tracker.trouble == ""


def test_an_epoch_is_judged_when_its_objective_is_there(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, PATTERNS)
    tracker = attempt.tracker()
    attempt.log("epoch 1\nloss=2\npsnr=10\n")
    tracker.poll()
    assert tracker.reportable(None) == []  # whether values change within an epoch is not known yet
    attempt.log("epoch 2\nloss=1\n")
    tracker.poll()
    assert tracker.reportable(None) == [1]
    attempt.log("psnr=11\n")
    tracker.poll()
    assert tracker.reportable(1) == [2]
    assert tracker.report(2) == 11.0


def test_an_epoch_whose_values_change_waits_for_the_next(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, PATTERNS)
    tracker = attempt.tracker()
    for value in (10, 11, 12):
        attempt.log(f"epoch 1\npsnr={value}\n")
        tracker.poll()
    attempt.log("epoch 2\npsnr=20\n")
    tracker.poll()
    assert tracker.reportable(None) == [1]
    assert tracker.report(1) == 12.0
    attempt.log("psnr=21\n")
    assert tracker.finish()
    assert tracker.reportable(1) == [2]
    assert tracker.report(2) == 21.0


def test_an_objective_that_lags_behind_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, PATTERNS)
    tracker = attempt.tracker()
    attempt.log("epoch 1\nloss=1\nepoch 2\nloss=1\n")
    tracker.poll()
    assert tracker.reportable(None) == []
    attempt.log("epoch 3\nloss=1\n")
    tracker.poll()
    assert tracker.reportable(None) == [1]
    assert tracker.report(1) is None
    attempt.log("epoch 2\npsnr=5\nepoch 3\nloss=1\n")
    tracker.poll()
    assert tracker.reportable(1) == [2]
    assert tracker.report(2) == 5.0


def test_a_folder_that_somebody_removed_is_not_waited_for(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, {"csv": str(tmp_path / "a.csv")})
    tracker = attempt.tracker()
    (tmp_path / "a.csv").write_text("epoch,psnr\n1,5\n")
    shutil.rmtree(attempt.paths.root)
    tracker.poll()
    assert tracker.finish()
    assert "cannot be written" in tracker.trouble


def test_a_reader_that_fails_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = Attempt(tmp_path, PATTERNS)
    attempt.log("epoch 1\npsnr=1\n")

    def explode(*_: object) -> None:
        raise MemoryError("boom")

    monkeypatch.setattr("htr_tui.metrics.log_source.clean_line", explode)
    tracker = attempt.tracker()
    assert tracker.finish()
    assert "MemoryError: boom" in tracker.trouble


@pytest.mark.parametrize(("is_stopped", "patience_s"), [(False, LAST_WORD_S), (True, STOPPED_LAST_WORD_S)])
def test_the_mirrors_last_word_is_waited_for_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_stopped: bool, patience_s: float
) -> None:
    now = [0.0]
    monkeypatch.setattr("htr_tui.supervisor.collecting.time.monotonic", lambda: now[0])
    attempt = Attempt(tmp_path, "mlflow")
    tracker = attempt.tracker()
    assert not tracker.finish(is_stopped=is_stopped)
    now[0] = patience_s
    assert not tracker.finish(is_stopped=is_stopped)
    now[0] += 0.1
    assert tracker.finish(is_stopped=is_stopped)
    assert "did not come within" in tracker.trouble


def test_the_mirrors_last_word_ends_the_wait(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, "mlflow")
    tracker = attempt.tracker()
    assert not tracker.finish()
    lines: list[dict[str, Any]] = [
        {"kind": "metrics", "epoch": 1, "values": {"psnr": 3.0}, "source": "mlflow"},
        {"kind": "collected", "source": "mlflow"},
    ]
    attempt.paths.events.write_bytes(b"".join(dump_line(line) for line in lines))
    assert tracker.finish()
    assert tracker.result()[0] == (3.0,)
    assert tracker.trouble == ""


def test_a_trial_waits_for_its_run(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    assert ready_reason(spec_of("events"), paths, 0) is None
    spec = spec_of("mlflow")
    assert "MLflow run of trial 0" in (ready_reason(spec, paths, 0) or "")
    StudyMemory(error=TrackingError("connection refused", 1.0)).save(paths)
    assert "connection refused" in (ready_reason(spec, paths, 0) or "")
    StudyMemory(ahead={1: "run1"}, parent_run_id="p").save(paths)
    assert ready_reason(spec, paths, 1) is None
    TrialMemory(run_id="run0", parent_run_id="p").save(paths, 0)
    assert ready_reason(spec, paths, 0) is None
