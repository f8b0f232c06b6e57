"""Commands with their braces replaced, programs found, relative places made absolute."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from htr_tui.errors import UsageError
from htr_tui.study.command import (
    CommandContext,
    find_executable,
    override_words,
    render_command,
    render_environment,
    resolve_uri,
)


def context(**changes: Any) -> CommandContext:
    facts: dict[str, Any] = {
        "study": "s", "trial": 7, "attempt": 2, "attempt_dir": Path("/r/s/trials/0007/attempt-2"),
        "params_file": Path("/r/params.yaml"), "overrides_file": Path("/r/overrides.yaml"),
        "launch_dir": Path("/base"),
    }  # fmt: skip
    return CommandContext(**{**facts, **changes})


def test_overrides_are_pairs() -> None:
    overrides = {"loss.pixel": 100.0, "lr": 1e-05, "n": 3, "fast": True, "name": "no", "path": "a b", "none": None}
    words = render_command(("htr-gan", "{overrides}", "--out", "{attempt_dir}"), context(overrides=overrides))
    assert words == [
        "htr-gan", "--set", "loss.pixel=100.0", "--set", "lr=1.0e-05", "--set", "n=3", "--set", "fast=true",
        "--set", 'name="no"', "--set", "path=a b", "--set", "none=null", "--out", "/r/s/trials/0007/attempt-2",
    ]  # fmt: skip


def test_words_in_braces() -> None:
    command = (
        "{python}", "--name={study}-{trial}.{attempt}", "{params_file}", "{overrides_file}", "{resume_dir}", "{lr}", "{opt}",
        "${{HOME}}", "{{{trial}}}", "",
    )  # fmt: skip
    words = render_command(command, context(overrides={"lr": 0.5, "opt": "no"}))
    assert words == [
        sys.executable, "--name=s-7.2", "/r/params.yaml", "/r/overrides.yaml", "", "0.5", "no", "${HOME}", "{7}", "",
    ]  # fmt: skip
    assert render_command(("{resume_dir}",), context(resume_dir=Path("/r/a-1"))) == ["/r/a-1"]


def test_values_are_not_read_again() -> None:
    assert render_command(("{x}",), context(overrides={"x": "{trial} {{"})) == ["{trial} {{"]


def test_options_of_a_command() -> None:
    command = (
        "train",
        "{--lr}",
        "{--amp}",
        "{--bias}",
        "{--layers}",
        "{--learning-rate=lr}",
        "{-n layers}",
        "{--none}",
        "{layers:words}",
    )
    params = {"lr": -0.5, "amp": True, "bias": False, "layers": [64, 32]}
    assert render_command(command, context(overrides=params)) == [
        "train", "--lr", "-0.5", "--amp", "--layers", "64", "32", "--learning-rate=-0.5", "-n", "64", "32", "64", "32",
    ]  # fmt: skip
    assert render_command(command, context()) == ["train"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("--set {name}={value:yaml}", ["--set", "lr=1.0e-05", "--set", "amp=true", "--set", "layers=[64, 32]", "--set", 'mode="no"']),
        ("{name}={value:yaml}", ["lr=1.0e-05", "amp=true", "layers=[64, 32]", 'mode="no"']),
        ("--{name} {value:words}", ["--lr", "1.0e-05", "--amp", "true", "--layers", "64", "32", "--mode", "no"]),
        ("--{name}={value:comma}", ["--lr=1.0e-05", "--amp=true", "--layers=64,32", "--mode=no"]),
        ("options", ["--lr", "1.0e-05", "--amp", "--layers", "64", "32", "--mode", "no"]),
    ],
)  # fmt: skip
def test_forms_of_overrides(pattern: str, words: list[str]) -> None:
    params = {"lr": 1e-05, "amp": True, "layers": [64, 32], "mode": "no"}
    assert override_words(pattern, params) == words
    assert render_command(("{overrides}",), context(overrides=params), pattern) == words


def test_environment() -> None:
    env = {
        "LR": "{lr}",
        "LAYERS": "{layers:comma}",
        "OUT": "{attempt_dir}/out",
        "JSON": '{{"a": 1}}',
        "MOMENTUM": "{momentum}",
    }
    rendered = render_environment(env, context(overrides={"lr": 0.5, "layers": [1, 2]}))
    assert rendered == {
        "LR": "0.5", "LAYERS": "1,2", "OUT": "/r/s/trials/0007/attempt-2/out", "JSON": '{"a": 1}',
    }  # fmt: skip


@pytest.mark.parametrize(
    "value", ["a b", "-x", "--lr=3", "'", '"', "a\nb", "\t", "ü 手", "$HOME", "`id`", "*", "", "{trial}", "\\"]
)
def test_texts_reach_the_trainer_as_they_are(value: str) -> None:
    command = ("t", "{x}", "--x={x}", "{--x}", "{--x=x}")
    assert render_command(command, context(overrides={"x": value})) == [
        "t",
        value,
        f"--x={value}",
        "--x",
        value,
        f"--x={value}",
    ]


def test_unknown_placeholder() -> None:
    with pytest.raises(UsageError, match=r"uses \{lr\}"):
        render_command(("{lr}",), context())


def test_executables(tmp_path: Path) -> None:
    script = tmp_path / "train"
    script.write_text("#!/bin/sh\n")
    assert find_executable("./train", tmp_path) is None
    script.chmod(0o755)
    assert find_executable("./train", tmp_path) == str(tmp_path / "train")
    assert find_executable("train", tmp_path) is None
    assert find_executable("train", tmp_path, {"PATH": str(tmp_path)}) == str(script)
    assert find_executable("sh", tmp_path) is not None
    assert find_executable(Path(sys.executable).name, tmp_path, {"PATH": "/nowhere"}) is not None
    assert find_executable("no-such-program-here", tmp_path) is None
    assert find_executable("", tmp_path) is None
    assert find_executable("./.", tmp_path) is None


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [
        ("sqlite:///runs/optuna.db", "sqlite:////base/runs/optuna.db"),
        ("sqlite:////abs/optuna.db", "sqlite:////abs/optuna.db"),
        ("sqlite+pysqlite:///a.db?timeout=5", "sqlite+pysqlite:////base/a.db?timeout=5"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("postgresql+psycopg://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        ("http://host:5000", "http://host:5000"),
        ("file:mlruns", "file:///base/mlruns"),
        ("file:///abs/mlruns", "file:///abs/mlruns"),
    ],
)
def test_places_below_the_base(uri: str, resolved: str) -> None:
    assert resolve_uri(uri, Path("/base")) == resolved
    assert resolve_uri(resolved, Path("/other")) == resolved
