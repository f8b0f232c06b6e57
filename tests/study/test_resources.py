"""The resources of a study: what is allowed, and what one key takes from another."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from htr_tui.errors import ConfigError
from htr_tui.study.loading import read_study_text


def study_text(resources: dict[str, Any]) -> str:
    study = {
        "study": "a",
        "trainer": {"command": ["{python}", "{overrides}"]},
        "search": {"space": {"lr": {"float": [0.1, 1.0]}}},
        "objective": {"maximize": "x"},
        "budget": {"trials": 3},
        "resources": resources,
    }
    return yaml.safe_dump(study, sort_keys=False)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"trials_per_gpu": 2}, "no two trials ever share a GPU"),
        ({"gpus": 4}, "4 GPUs are asked for, and `parallel` lets 1 trials run"),
        ({"gpus": [0, 1, 2], "parallel": 2}, "3 GPUs are asked for"),
        ({"gpus": "none", "parallel": "auto"}, "one trial at a time"),
    ],
)
def test_what_another_key_takes_away_is_told(resources: dict[str, Any], words: str) -> None:
    found = read_study_text(study_text(resources), "s.yaml").warnings
    assert [words in warning.message for warning in found] == [True]
    assert found[0].line
    assert found[0].suggestion


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"gpus": "auto", "parallel": "auto", "trials_per_gpu": 3},
        {"gpus": 2, "parallel": 4, "trials_per_gpu": 2, "expect_gpu_gb": 5, "share": True},
        {"gpus": "none", "parallel": "auto", "cores": 4, "memory_gb": 2.5},
        {"gpus": "none", "trials_per_gpu": 2},
        {"gpus": ["MIG-1a2b", 0], "parallel": 2},
    ],
)
def test_right_resources_say_nothing(resources: dict[str, Any]) -> None:
    assert read_study_text(study_text(resources), "s.yaml").warnings == []


@pytest.mark.parametrize(
    ("resources", "key"),
    [
        ({"parallel": True}, "parallel"),
        ({"parallel": 1.5}, "parallel"),
        ({"parallel": 0}, "parallel"),
        ({"expect_gpu_gb": 0}, "expect_gpu_gb"),
        ({"expect_gpu_gb": ".nan"}, "expect_gpu_gb"),
        ({"cores": 0}, "cores"),
        ({"memory_gb": -1}, "memory_gb"),
        ({"share": "yes please"}, "share"),
        ({"expect_gb": 3}, "expect_gb"),
    ],
)
def test_wrong_resources_name_their_key(resources: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_study_text(study_text(resources), "s.yaml")
    assert [problem.key for problem in caught.value.problems] == [f"resources.{key}"]
    assert all(problem.allowed for problem in caught.value.problems)
