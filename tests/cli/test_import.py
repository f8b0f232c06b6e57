"""`htr-tui import` and `htr-tui diagnose`: what people read, what scripts read, and what an import never allows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from htr_tui.__main__ import main
from tests.fakes.studies import build_study
from tests.importing.picture import DATA, picture, theirs

STORY = "HPO-Loss-Weights"


def run_json(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert main([*argv, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert isinstance(record, dict)
    return record


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of ours with a database of theirs beside it."""
    theirs(tmp_path / "theirs", "optuna-3.1.db")
    (tmp_path / "ours").mkdir()
    monkeypatch.chdir(tmp_path / "ours")
    return tmp_path


def test_a_3_1_database_is_imported_told_and_unchanged(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = picture(base / "theirs")
    assert main(["import", "../theirs/optuna-3.1.db"]) == 0
    out = capsys.readouterr().out
    assert picture(base / "theirs") == before
    assert f"HPO Loss Weights imported as {STORY} from optuna (SQLite, schema v3.0.0.d): 28 pruned, 12 failed" in out
    for words in ("none of 40 trials is complete", "28 of 40 (70 %)", "8 trials RUNNING for ever", "since 2024-03-01"):
        assert words in " ".join(out.split())
    assert "healthy: nothing suspicious in 13 trials" in out
    assert max(map(len, out.splitlines())) < 160
    assert "\x1b" not in out
    assert main(["import", "../theirs/optuna-3.1.db", "--study", "healthy"]) == 0
    assert "healthy renewed as healthy" in capsys.readouterr().out


def test_every_reading_command_works_on_it(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = run_json(capsys, "import", f"sqlite:///{base}/theirs/optuna-3.1.db")
    assert [s["study"] for s in record["studies"]] == [STORY, "healthy", "pareto"]
    first = record["studies"][0]
    assert {"path", "source_study", "kind", "renewed", "trials", "warnings", "diagnosis"} <= set(first)
    assert [d["code"] for d in first["diagnosis"]][:2] == ["nothing_complete", "pruned_without_metrics"]
    status = run_json(capsys, "status")["studies"]
    assert [s["state"] for s in status] == ["finished", "stopped", "finished"]
    assert status[0]["imported"]["study"] == "HPO Loss Weights"
    assert status[0]["trials"]["failed"] == 12
    assert status[1]["best"]["trial"] == 2
    assert status[2]["pareto"] == [0, 1, 2, 3, 4]
    trials = run_json(capsys, "trials", "healthy")["trials"]
    assert trials[0]["params"] == {"lr": 0.001, "depth": 4, "kind": "relu", "drop": 0.25}
    shown = run_json(capsys, "show", "healthy", "4")
    assert [m["epoch"] for m in shown["metrics"]] == [0, 1, 2]
    assert shown["metrics"][1]["values"] == {"objective": "nan"}
    assert {t["category"] for t in run_json(capsys, "trials", STORY)["trials"]} == {None, "lost"}
    main(["trials", "healthy", "--csv"])
    assert len(capsys.readouterr().out.splitlines()) == 14


def test_nothing_can_be_done_in_it(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_json(capsys, "import", "../theirs/optuna-3.1.db", "--study", "healthy")
    before = picture(base / "ours" / "runs" / "healthy")
    for argv in (
        ["run", "healthy"], ["stop", "healthy"], ["pause", "healthy"], ["continue", "healthy"], ["retry", "healthy", "0"],
        ["enqueue", "healthy", "--set", "lr=0.1"], ["promote", "healthy", "0"],
    ):  # fmt: skip
        assert main(argv) == 2, argv
        assert "for reading only" in capsys.readouterr().err, argv
    assert picture(base / "ours" / "runs" / "healthy") == before


def test_listing_naming_and_choosing(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = run_json(capsys, "import", "../theirs/optuna-3.1.db", "--list")
    assert listed["studies"][1] == {"study": "healthy", "trials": 13}
    assert not (base / "ours" / "runs").exists()
    named = run_json(capsys, "import", "../theirs/optuna-3.1.db", "--study", "pareto", "--name", "front")
    assert [s["study"] for s in named["studies"]] == ["front"]
    for argv, words in (
        (["--name", "x"], "--name is for one study"),
        (["--study", "paretto"], "did you mean pareto"),
        (["--study", "pareto", "--name", "a/b"], "cannot be a study's name"),
    ):
        assert main(["import", "../theirs/optuna-3.1.db", *argv]) == 2
        assert words in capsys.readouterr().err


def test_an_mlflow_experiment_with_a_chosen_metric(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs(base / "theirs", "mlflow-2.9.db")
    record = run_json(capsys, "import", "../theirs/mlflow-2.9.db", "--metric", "loss", "--minimize", "--from", "last")
    assert record["kind"] == "mlflow (SQLite)"
    assert run_json(capsys, "status")["studies"][0]["best"] == {
        "trial": 1, "value": 0.2, "params": {"lr": 0.01, "layers": 2, "amp": True},
    }  # fmt: skip


def test_mistakes_and_secrets(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for url in ("nowhere.db", "redis://u:hunter2@h/0", "postgresql+pg8000://u:hunter2@localhost:1/db", str(base)):
        assert main(["import", url]) in (1, 2)
        captured = capsys.readouterr()
        assert "hint: " in captured.err
        assert "hunter2" not in captured.err + captured.out


def test_a_reader_that_leaves_is_no_trouble_of_the_source(base: Path) -> None:
    """`htr-tui import ... | head -1`."""
    command = [sys.executable, "-m", "htr_tui", "import", "../theirs/optuna-3.1.db"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0
    assert len(list((base / "ours" / "runs").glob("*/journal.jsonl"))) == 3


def test_diagnose_a_study_of_our_own(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_study(base / "ours" / "runs", "good", trials=40, epochs=3, running=0)
    build_study(base / "ours" / "runs", "bad", trials=10, epochs=4, running=0, failed=10)
    assert run_json(capsys, "diagnose", "good")["diagnosis"] == []
    assert main(["diagnose", "good"]) == 0
    assert "good: nothing suspicious in 40 trials" in capsys.readouterr().out
    record = run_json(capsys, "diagnose", "bad")
    assert [d["code"] for d in record["diagnosis"]] == ["nothing_complete", "failures"]
    assert main(["diagnose", "bad"]) == 0
    out = capsys.readouterr().out
    assert "ERROR: none of 10 trials is complete" in out
    assert "What to do: " in out
    assert main(["diagnose", "goood"]) == 2


def test_every_finding_is_in_the_documentation() -> None:
    root = Path(__file__).parents[2]
    text = (root / "docs" / "import.md").read_text()
    sources = (root / "htr_tui" / "diagnosis").glob("*.py")
    codes = {
        word.strip('",')
        for source in sources
        for call in source.read_text().split("Diagnosis(")[1:]
        for word in call.split()[:1]
        if word.startswith('"')
    }
    assert len(codes) >= 14
    assert [code for code in sorted(codes) if f"`{code}`" not in text] == []
    assert DATA.is_dir()
