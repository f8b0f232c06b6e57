"""The example trainers of configs/studies/examples: foreign scripts, run as real studies under a real supervisor."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from htr_tui.files import read_json
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from tests.fakes.launching import FakeStudy

EXAMPLES = Path(__file__).parents[2] / "configs" / "studies" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml") if "trainer:" in path.read_text())


@dataclass(frozen=True)
class ExampleStudy(FakeStudy):
    """One of the shipped examples, in a folder of its own."""

    name: str

    @property
    def file(self) -> Path:
        return self.base / "configs/studies/examples" / f"{self.name}.yaml"

    @property
    def paths(self) -> StudyPaths:
        return StudyPaths(self.base / "runs" / f"example-{self.name}")

    def attempt_file(self, trial: int, name: str) -> Path:
        return self.paths.attempt(trial, 1).root / name

    def log(self, trial: int) -> str:
        return self.paths.attempt(trial, 1).log.read_text()


def example(base: Path, name: str, trials: int, **changes: Any) -> ExampleStudy:
    """The example with fewer trials and no MLflow; `changes` replace parameters of the space, or `experiments`."""
    shutil.copytree(EXAMPLES, base / "configs/studies/examples")
    made = ExampleStudy(base, name)
    study = yaml.safe_load(made.file.read_text())
    study |= {"budget": {"trials": trials}, "tracking": "none"}
    if "experiments" in changes:
        study["search"] = changes
        del study["budget"]
    else:
        study["search"]["space"] |= changes
    made.file.write_text(yaml.safe_dump(study))
    return made


def finished(study: ExampleStudy, trials: int) -> StudyFold:
    """Launch the study and wait for its end: every trial complete, with metrics and a value."""
    study.cli("run", str(study.file))
    fold = study.wait_until_ended(240)
    assert fold.ended_reason == "finished"
    states = {t.number: (t.state, t.category, t.last_attempt and t.last_attempt.title) for t in fold.trials.values()}
    assert states == dict.fromkeys(range(trials), ("complete", None, None)), study.log(0)[-2000:]
    assert all(trial.value is not None for trial in fold.trials.values())
    assert fold.best() is not None
    return fold


def metrics_of(study: ExampleStudy, trial: int) -> dict[int, dict[str, float]]:
    shown = study.json("show", study.paths.root.name, str(trial))
    return {row["epoch"]: row["values"] for row in shown["metrics"]}


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_right_and_explain_themselves(tmp_path: Path, name: str) -> None:
    assert len(NAMES) == 4
    shutil.copytree(EXAMPLES, tmp_path / "configs/studies/examples")
    file = tmp_path / "configs/studies/examples" / f"{name}.yaml"
    record = FakeStudy(tmp_path).json("check", str(file), "--show-command")
    assert (record["ok"], record["errors"], record["warnings"]) == (True, [], [])
    for preview in record["preview"]:
        text = " ".join([*preview["argv"], *preview["env"].values(), str(preview["config"])])
        assert "{" not in re.sub(r"\{'path'.*|\{\n.*", "", text, flags=re.DOTALL)
    head = [line for line in file.read_text().splitlines() if line.startswith("#")]
    for word in ("What:", "On:", "Expected:", "Result:", "Command:  htr-tui run configs/studies/examples/" + file.name):
        assert any(word in line for line in head), word
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("path", sorted([*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.sh")]), ids=lambda path: path.name)
def test_the_scripts_know_nothing_of_htr_tui(path: Path) -> None:
    assert not re.search(r"htr|trial|attempt|events\.jsonl|optuna", path.read_text(), re.IGNORECASE)


def test_shell(tmp_path: Path) -> None:
    study = example(tmp_path, "shell", 3, rate={"float": [1e-4, 1e-3], "log": True})
    fold = finished(study, 3)
    for number, trial in fold.trials.items():
        rate, momentum = trial.params["rate"], trial.params["momentum"]
        first = study.log(number).splitlines()[0].split()
        assert [float(first[3]), float(first[6])] == pytest.approx([rate, momentum])
        metrics = metrics_of(study, number)
        assert list(metrics) == list(range(10, 201, 10))
        assert set(metrics[200]) == {"loss", "gradient"}
        assert trial.value == metrics[200]["loss"]
    assert (read_json(study.paths.files / "index.json") or {})["files"][0]["name"].endswith("shell_descent.sh")


def test_shell_that_blows_up_fails_by_name(tmp_path: Path) -> None:
    experiments = [{"name": "too fast", "params": {"rate": 0.02, "momentum": 0.9}}]
    study = example(tmp_path, "shell", 1, experiments=experiments)
    study.cli("run", str(study.file))
    trial = study.wait_until_ended().trials[0]
    assert trial.state == "failed"
    assert trial.category in ("aborted", "nan_loss")  # stopped by the rule, or at its end before the rule was looked at


def test_sklearn(tmp_path: Path) -> None:
    study = example(tmp_path, "sklearn", 2)
    fold = finished(study, 2)
    base = json.loads((EXAMPLES / "sklearn_digits.json").read_text())
    for number, trial in fold.trials.items():
        used = json.loads(study.attempt_file(number, "results.json").read_text())["settings"]
        expected = {**base, "model": {**base["model"], **{k.partition(".")[2]: v for k, v in trial.params.items()}}}
        assert used == expected
        assert isinstance(used["model"]["hidden_layer_sizes"], list)
        metrics = metrics_of(study, number)
        assert list(metrics) == list(range(1, 13))
        assert set(metrics[12]) == {"train_loss", "test/loss", "test/accuracy"}
        assert trial.value == max(values["test/accuracy"] for values in metrics.values())


def test_a_crash_of_sklearn_is_explained_by_its_exception(tmp_path: Path) -> None:
    params = {"model.alpha": "abc", "model.hidden_layer_sizes": [8]}
    study = example(tmp_path, "sklearn", 1, experiments=[{"name": "wrong", "params": params}])
    study.cli("run", str(study.file))
    trial = study.wait_until_ended().trials[0]
    assert (trial.state, trial.category) == ("failed", "crash")
    finding = study.json("show", "example-sklearn", "0")["attempts"][0]["finding"]
    assert "InvalidParameterError" in finding["title"]
    assert any("'alpha' parameter" in line["text"] for line in finding["evidence"])


def test_keras(tmp_path: Path) -> None:
    study = example(tmp_path, "keras", 2, epochs=2, hidden={"categorical": [[16, 8]]})
    fold = finished(study, 2)
    for number, trial in fold.trials.items():
        command = read_json(study.paths.attempt(number, 1).command) or {}
        assert command["argv"][4:7] == ["--hidden", "16", "8"]
        assert ("--batch-norm" in command["argv"]) is trial.params["batch-norm"]
        with open(study.attempt_file(number, "training.csv"), newline="") as file:
            rows = list(csv.DictReader(file))
        metrics = metrics_of(study, number)
        assert [(n, values["val_accuracy"]) for n, values in metrics.items()] == [
            (int(row["epoch"]) + 1, float(row["val_accuracy"])) for row in rows
        ]
        assert len(rows) == 2
        assert study.attempt_file(number, "model.keras").is_file()


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_pytorch(tmp_path: Path) -> None:
    study = example(tmp_path, "pytorch", 2)
    fold = finished(study, 2)
    for number, trial in fold.trials.items():
        config = yaml.safe_load(study.attempt_file(number, "config.yaml").read_text())
        assert config["model"]["hidden"] == trial.params["model.hidden"]
        assert config["optimizer"]["lr"] == trial.params["optimizer.lr"]
        metrics = metrics_of(study, number)
        assert list(metrics) == list(range(1, config["epochs"] + 1))
        assert set(metrics[1]) == {"train_loss", "valid_loss", "valid_acc"}
