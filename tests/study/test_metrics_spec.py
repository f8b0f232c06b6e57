"""The forms of `trainer.metrics`, and what is probably not meant."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from htr_tui.study.loading import LoadedStudy, read_study_text


def study_of(metrics: Any, objective: str = "psnr", **trainer: Any) -> LoadedStudy:
    study = {
        "study": "s",
        "trainer": {"command": ["python", "{lr}"], "metrics": metrics, **trainer},
        "search": {"space": {"lr": {"float": [0.1, 1.0]}}},
        "objective": {"maximize": objective},
        "budget": {"trials": 1},
    }
    return read_study_text(yaml.safe_dump(study), "study.yaml")


def spec_of(metrics: Any) -> dict[str, Any]:
    return dict(study_of(metrics).spec.trainer.metrics)


def test_metrics_are_events_unless_said_otherwise() -> None:
    text = "study: s\ntrainer: {command: [python, '{lr}']}\nsearch: {space: {lr: 1}}\nobjective: {maximize: psnr}\n"
    assert read_study_text(text + "budget: {trials: 1}\n", "s.yaml").spec.trainer.metrics.kind == "events"


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("events", {"events": None}),
        ("mlflow", {"mlflow": {"epoch": "step", "first_epoch": 1}}),
        ({"log": "(?P<psnr>x)"}, {"log": {"pattern": ["(?P<psnr>x)"]}}),
        ({"log": ["(?P<psnr>x)", "(?P<epoch>y)"]}, {"log": {"pattern": ["(?P<psnr>x)", "(?P<epoch>y)"]}}),
        ({"csv": "{attempt_dir}/a"}, {"csv": {"path": "{attempt_dir}/a"}}),
        ({"json": {"path": "a", "at": "b.0"}}, {"json": {"path": "a", "at": ["b", 0]}}),
        ({"tensorboard": "a"}, {"tensorboard": {"path": "a", "epoch": "step", "only": []}}),
        ({"mlflow": {"only": "val/*"}}, {"mlflow": {"only": ["val/*"]}}),
    ],
    ids=str,
)
def test_short_and_long_forms_are_the_same(short: Any, long: Any) -> None:
    assert spec_of(short) == spec_of(long)


def messages(study: LoadedStudy) -> list[str]:
    return [f"{w.key}: {w.message} | {w.suggestion}" for w in study.warnings]


def test_a_file_that_all_trials_share_is_noticed() -> None:
    expected = ["trainer.metrics.csv: 'logs/a.csv' is the same file for every trial | {attempt_dir}/a.csv"]
    assert messages(study_of({"csv": "logs/a.csv"})) == expected
    assert messages(study_of({"csv": {"path": "logs/a.csv"}}))[0].startswith("trainer.metrics.csv.path:")
    for path in ("{attempt_dir}/a.csv", "logs/{trial}.csv", "logs/{lr}.csv", "logs/*/a.csv"):
        assert messages(study_of({"csv": path})) == []
    assert messages(study_of({"csv": "a.csv"}, cwd="{attempt_dir}")) == []


def test_an_objective_that_no_pattern_finds_is_noticed() -> None:
    (message,) = messages(study_of({"log": "(?P<psnr>x)(?P<epoch>y)"}, "psnr + ssim"))
    assert message == "trainer.metrics.log: no pattern has a group for 'ssim', which the objective needs | "
    assert messages(study_of({"log": "(?P<name>x)(?P<value>y)"}, "ssim")) == []
