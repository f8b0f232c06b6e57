"""What is run for one attempt: argv, environment, folder and config file from one set of parameters."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from htr_tui.errors import UsageError
from htr_tui.study.command import CommandContext
from htr_tui.study.rendering import RenderedTrainer, render_trainer, unreached
from htr_tui.study.trainer_spec import TrainerSpec

ATTEMPT = Path("/r/s/trials/0007/attempt-2")


def render(trainer: dict[str, Any], params: dict[str, Any], template: str | None = None) -> RenderedTrainer:
    spec = TrainerSpec.model_validate({"command": ["{python}"], **trainer})
    context = CommandContext(
        study="s", trial=7, attempt=2, attempt_dir=ATTEMPT, params_file=ATTEMPT / "params.yaml",
        overrides_file=ATTEMPT / "overrides.yaml", launch_dir=Path("/base"), overrides=params,
        config_file=ATTEMPT / spec.config.name if spec.config else None,
    )  # fmt: skip
    return render_trainer(spec, context, template)


def config_of(trainer: dict[str, Any], params: dict[str, Any], template: str) -> Any:
    text = render(trainer, params, template).config_text
    assert text is not None
    return yaml.safe_load(text)


def test_all_ways_at_once() -> None:
    trainer = {
        "command": ["{python}", "{launch_dir}/train.py", "--config", "{config}", "{--amp}", "{overrides}"],
        "overrides": "{name}={value:yaml}",
        "env": {"LR": "{lr}"},
        "cwd": "{attempt_dir}",
        "config": {"template": "base.yaml", "file": "{attempt_dir}/conf/train.yaml"},
    }
    made = render(trainer, {"lr": 0.5, "amp": True}, "lr: 1\namp: no\nseed: 3\n")
    assert made.argv == [
        sys.executable, "/base/train.py", "--config", str(ATTEMPT / "conf/train.yaml"), "--amp", "lr=0.5", "amp=true",
    ]  # fmt: skip
    assert made.env == {"LR": "0.5"}
    assert made.cwd == str(ATTEMPT)
    assert made.config_file == ATTEMPT / "conf/train.yaml"
    assert yaml.safe_load(made.config_text or "") == {"lr": 0.5, "amp": True, "seed": 3}


def test_the_folder_of_the_launch_is_the_default() -> None:
    assert render({}, {}).cwd == "/base"
    assert render({"cwd": "work"}, {}).cwd == "/base/work"
    assert render({"cwd": "/elsewhere/{study}"}, {}).cwd == "/elsewhere/s"


@pytest.mark.parametrize(
    ("config", "text", "read"),
    [
        ("base.yaml", "a: 1", yaml.safe_load),
        ("base.yml", "a: 1", yaml.safe_load),
        ("base.json", '{"a": 1}', json.loads),
        ("base.TOML", "a = 1", tomllib.loads),
        ({"template": "base.conf", "form": "yaml"}, "a: 1", yaml.safe_load),
        ("base.conf", '{{"a": {a}}}', json.loads),
    ],
)
def test_the_form_follows_the_suffix(config: Any, text: str, read: Callable[[str], Any]) -> None:
    made = render({"config": config}, {"a": [64, 32]}, text)
    assert read(made.config_text or "") == {"a": [64, 32]}


def test_what_the_template_lacks_is_added_unless_it_goes_another_way() -> None:
    base = {"config": "base.yaml"}
    assert config_of(base, {"a": 1, "b.c": 2}, "a: 0\n") == {"a": 1, "b": {"c": 2}}
    assert config_of({**base, "command": ["x", "{--seed}"]}, {"a": 1, "seed": 2}, "a: 0\n") == {"a": 1}
    assert config_of({**base, "command": ["x", "{overrides}"]}, {"a": 1, "seed": 2}, "a: 0\n") == {"a": 1}
    assert config_of({**base, "env": {"SEED": "{seed}"}}, {"a": 1, "seed": 2}, "a: 0\n") == {"a": 1}


def test_a_text_template() -> None:
    trainer = {"config": {"template": "settings.sh"}}
    text = "LR={lr:shell}\nNAME={name:shell}\nSIZES=({sizes:shell})\nOUT={attempt_dir:shell}\necho ${{HOME}}\n"
    made = render(trainer, {"lr": 1e-05, "name": "it's $HOME", "sizes": [1, 2]}, text)
    assert made.config_file == ATTEMPT / "config.sh"
    assert made.config_text == (f"LR=1.0e-05\nNAME='it'\"'\"'s $HOME'\nSIZES=(1 2)\nOUT={ATTEMPT}\necho ${{HOME}}\n")
    forced = render({"config": {"template": "base.json", "form": "text"}}, {"x": 'a"b'}, '{{"x": {x:json}}}')
    assert json.loads(forced.config_text or "") == {"x": 'a"b'}


@pytest.mark.parametrize(
    ("trainer", "template", "names"),
    [
        ({}, None, ["a", "b"]),
        ({"command": ["x", "{overrides}"]}, None, []),
        ({"command": ["x", "{--a}"], "env": {"B": "{b:json}"}}, None, []),
        ({"env": {"FILE": "{params_file}"}}, None, []),
        ({"config": "base.yaml"}, "x: 1", []),
        ({"config": "base.sh"}, "A={a:shell}", ["b"]),
        ({"config": "base.sh"}, ". {overrides_file}", []),
        ({"config": "base.sh", "command": ["x", "{b}"]}, "A={a:shell}", []),
    ],
)
def test_parameters_that_the_trainer_never_gets(trainer: dict[str, Any], template: str, names: list[str]) -> None:
    spec = TrainerSpec.model_validate({"command": ["x"], **trainer})
    assert unreached(spec, ["a", "b"], template) == names


@pytest.mark.parametrize(
    ("trainer", "params", "template", "words"),
    [
        ({"command": ["{lr}"]}, {}, None, "the command uses {lr}"),
        ({"command": ["{lr:words}"]}, {}, None, "no words"),
        ({"cwd": "{lr}"}, {}, None, "trainer.cwd uses {lr}"),
        ({"config": "a.txt"}, {}, "{lr}", "a.txt uses {lr}"),
        ({"config": "a.txt"}, {}, "{lr", "a.txt: a single"),
        ({"config": "a.yaml"}, {"a": 1}, "a: {b: 1}", "'a' is a section"),
        ({"config": "a.yaml"}, {"a.b": 1}, "a: 1", "no section"),
        ({"config": "a.json"}, {"a": 1}, "{", "no JSON"),
    ],
)
def test_what_cannot_be_made_is_said(
    trainer: dict[str, Any], params: dict[str, Any], template: str, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        render(trainer, params, template)
    assert words in str(caught.value)
