"""What the commands say in words: why a trial is what it is, and what to do with a study in which nothing runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from htr_tui.__main__ import main
from htr_tui.journal.paths import StudyPaths
from tests.fakes.studies import build_study
from tests.panel.studies import build_front, build_imported, tell


@pytest.fixture
def front(tmp_path: Path) -> StudyPaths:
    return build_front(tmp_path / "runs")


def run(capsys: pytest.CaptureFixture[str], base: Path, *argv: str) -> str:
    assert main(["--dir", str(base), *argv]) == 0
    return capsys.readouterr().out


def test_show_says_what_a_trial_is_worth_and_how_it_stands_to_the_constraints(
    tmp_path: Path, front: StudyPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(capsys, tmp_path, "show", "front", "0")
    assert "front trial 0: complete, val/psnr 30, val/cer 0.3, on the Pareto front" in out
    assert "peak_gpu_gb <= 10: kept" in out
    out = run(capsys, tmp_path, "show", "front", "3")
    assert "infeasible: never the best" in out
    assert "peak_gpu_gb <= 10: broken by 2.5" in out
    assert "front trial 4 (mine, by hand): queued" in run(capsys, tmp_path, "show", "front", "4")


def test_show_as_json_has_what_the_text_says(
    tmp_path: Path, front: StudyPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads(run(capsys, tmp_path, "show", "front", "3", "--json"))
    assert (record["constraints"], record["feasible"]) == ([2.5], False)
    assert record["objectives"] == ["val/psnr", "val/cer"]
    record = json.loads(run(capsys, tmp_path, "show", "front", "4", "--json"))
    assert (record["by"], record["label"]) == ("hand", "mine")


def test_show_says_why_an_attempt_without_a_finding_ended(
    tmp_path: Path, front: StudyPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    title = "val/psnr < 8 at epoch 3: 6.2"
    tell(front, "attempt_started", trial=5, attempt=1, devices=[], slot=0)
    tell(front, "attempt_stopping", trial=5, attempt=1, why="abort")
    tell(front, "attempt_ended", trial=5, attempt=1, state="failed", category="aborted", title=title)
    tell(front, "trial_ended", trial=5, state="failed", category="aborted")
    out = run(capsys, tmp_path, "show", "front", "5")
    assert "front trial 5 (warm start): failed (aborted)" in out
    assert f"aborted: {title}" in out
    attempt = json.loads(run(capsys, tmp_path, "show", "front", "5", "--json"))["attempts"][0]
    assert (attempt["category"], attempt["title"], attempt["stopping"]) == ("aborted", title, "abort")


def test_the_table_and_the_csv_name_the_trials(
    tmp_path: Path, front: StudyPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(capsys, tmp_path, "trials", "front")
    assert "mine, by hand" in out
    assert "warm start" in out
    rows = list(csv.DictReader(io.StringIO(run(capsys, tmp_path, "trials", "front", "--csv"))))
    assert [row["by"] for row in rows] == ["", "", "", "", "hand", "warm_start"]
    assert rows[4]["label"] == "mine"
    assert (rows[1]["val/psnr"], rows[1]["val/cer"], rows[3]["feasible"]) == ("25.0", "0.1", "False")
    assert rows[4]["val/cer"] == ""


def test_status_names_the_front_and_what_is_imported(
    tmp_path: Path, front: StudyPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    build_imported(tmp_path / "runs")
    out = run(capsys, tmp_path, "status")
    assert "front: on the Pareto front (none is better in every way): 0, 1\n" in out
    assert any(line.split()[:2] == ["old-study", "imported"] for line in out.splitlines())


def test_a_finished_study_is_not_said_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def launched(*_: object) -> int:
        raise AssertionError("nothing is left to supervise")

    monkeypatch.setattr("htr_tui.cli.continue_study.launch", launched)
    build_study(tmp_path / "runs", "done", trials=3, running=0)
    out = run(capsys, tmp_path, "continue", "done")
    assert "done: has finished its 3 trials; `htr-tui run done --trials N`" in out
    record = json.loads(run(capsys, tmp_path, "continue", "done", "--json"))
    assert record["pid"] is None
    assert "done: it is finished: nothing would be started" in run(capsys, tmp_path, "pause", "done")
