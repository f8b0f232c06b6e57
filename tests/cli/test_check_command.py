"""`htr-tui check --show-command`: what would be run, made by the code that runs it, and nothing started or written."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from htr_tui.__main__ import main
from htr_tui.cli.check import shell_word
from htr_tui.study.example_trials import MAX_EXAMPLES, example_trials
from htr_tui.study.loading import load_study_text

STUDY = """
study: shown
trainer:
  command: ["{python}", "{launch_dir}/train.py", --config, "{config}", "{--momentum}", "{--note}"]
  env: {LR: "{optim.lr}", MOMENTUM: "{momentum}"}
  config: base.yaml
  cwd: "{attempt_dir}"
search:
  space:
    optim.lr: {float: [1e-4, 1e-1], log: true}
    optim.name: {categorical: [adam, sgd]}
    momentum: {float: [0, 1], when: {optim.name: sgd}}
    layers: {categorical: [[64, 32], [128]]}
    note: "it's [red] \\x1b[31m\\nnew"
objective: {minimize: loss}
budget: {trials: 2}
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "base.yaml").write_text("optim: {lr: 1e-3, name: x}\nlayers: [32]\namp: no\n")
    (tmp_path / "train.py").write_text("")
    return tmp_path


def test_json_has_words_environment_and_config_of_both_kinds_of_trials(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(base / "study.yaml"), "--dir", str(base), "--show-command", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    first, second = record["preview"]
    attempt = base / "runs/shown/trials/0000/attempt-1"
    assert first["params"]["optim.lr"] == 0.003162
    assert first["argv"] == [
        sys.executable, f"{base}/train.py", "--config", f"{attempt}/config.yaml", "--note", "it's [red] \x1b[31m\nnew",
    ]  # fmt: skip
    assert (first["cwd"], first["env"]["LR"], "MOMENTUM" in first["env"]) == (str(attempt), "0.003162", False)
    assert first["env"]["HTR_TUI_EVENTS"] == str(attempt / "events.jsonl")
    assert first["config"]["path"] == str(attempt / "config.yaml")
    assert yaml.safe_load(first["config"]["text"]) == {
        "optim": {"lr": 0.003162, "name": "adam"}, "layers": [64, 32], "amp": False,
    }  # fmt: skip
    assert second["label"] == "with momentum"
    assert second["argv"][4:6] == ["--momentum", "0.5"]
    assert second["env"]["MOMENTUM"] == "0.5"
    assert not (base / "runs").exists()


def test_people_get_words_that_a_shell_reads_and_no_control_characters(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(base / "study.yaml"), "--dir", str(base), "--show-command"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "LR=0.003162" in out
    assert "| layers: [64, 32]" in out
    line = next(line for line in out.splitlines() if line.startswith("  runs"))
    words = subprocess.run(
        ["bash", "-c", 'printf "%s\\0" ' + line.removeprefix("  runs").strip()],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    assert words[-2] == "it's [red] \x1b[31m\nnew"


def test_without_the_option_nothing_of_it(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(base / "study.yaml"), "--dir", str(base), "--json"]) == 0
    assert "preview" not in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "base.yaml: cannot be read: No such file"),
        ("optim: {lr: 1", "base.yaml:1: no YAML"),
        ("optim: {lrr: 1, name: 1}\nlayers: 1", "'optim.lr'\n    allowed: optim.lrr, optim.name"),
        ("optim: {lrr: 1, name: 1}\nlayers: 1", "did you mean optim.lrr?"),
        ("optim: 1\nlayers: {a: 1}", "'layers' is a section of base.yaml"),
    ],
)
def test_a_wrong_template_is_told_with_its_place(
    base: Path, capsys: pytest.CaptureFixture[str], template: str | None, words: str
) -> None:
    study = STUDY.replace('LR: "{optim.lr}", ', "")
    (base / "study.yaml").write_text(study)
    (base / "base.yaml").unlink()
    if template is not None:
        (base / "base.yaml").write_text(template)
    assert main(["check", str(base / "study.yaml"), "--dir", str(base), "--show-command"]) == 2
    assert words in capsys.readouterr().out.replace(", and the command does not name it either", "")


def test_a_text_template_is_checked_word_by_word(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(["LR={optim.lr}", "X={lrr}", "M={momentum}", "W={layers:words}", 'J="{note"'])
    (base / "base.sh").write_text(text)
    (base / "study.yaml").write_text(STUDY.replace("base.yaml", "base.sh"))
    assert main(["check", str(base / "study.yaml"), "--dir", str(base), "--json"]) == 2
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert [(e["line"], e["message"].split(";")[0]) for e in errors] == [
        (2, "unknown placeholder {lrr}"),
        (3, "{momentum} has no value in trials that its `when` leaves out"),
        (4, "{layers:words} is words of a command"),
        (5, "a single '{'"),
    ]
    assert {e["file"] for e in errors} == {str(base / "base.sh")}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('"{launch_dir}/train.py"', "train.py"), "is looked for in the folder where the trainer starts"),
        (('"{launch_dir}/train.py"', '"{launch_dir}/gone.py"'), "there is no file 'gone.py'"),
        (("  config: base.yaml\n", "  config: base.yaml\n  overrides: options\n"), "the command has no {overrides}"),
        (("  config: base.yaml\n", ""), "'layers' does not reach the trainer"),
    ],
)
def test_warnings(base: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], words: str) -> None:
    text = STUDY.replace(*change)
    if "config:" not in text:
        text = text.replace('--config, "{config}", ', "")
    (base / "study.yaml").write_text(text)
    assert main(["check", str(base / "study.yaml"), "--dir", str(base)]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    "word", ["", "a b", "it's", "\\", "\n\t\r", "\x1b[0m", "ü 手", "\u202e", "\U000e0001", "$x", "a\x00"[:1]]
)
def test_shell_words_are_read_back_by_bash(word: str) -> None:
    quoted = shell_word(word)
    assert quoted.isprintable()
    result = subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, env={"LC_ALL": "C.UTF-8"})
    assert result.stdout.decode() == word
    if word.isprintable():
        assert shlex.split(quoted) == [word]


def test_examples_of_experiments_and_ranges() -> None:
    space = {
        "a": {"int": [1, 9], "step": 2}, "b": {"float": [0, 1], "step": 0.25}, "c": {"int": [1, 100], "log": True},
        "d": {"float": [1e-5, 1e-1], "log": True}, "e": {"categorical": ["x", "y"]}, "f": 3,
    }  # fmt: skip
    study = {"study": "s", "trainer": {"command": ["t"]}, "objective": {"minimize": "x"}, "budget": {"trials": 1}}
    spec = load_study_text(yaml.safe_dump({**study, "search": {"space": space}}), "s.yaml")
    (example,) = example_trials(spec.search)
    assert example.params == {"a": 5, "b": 0.5, "c": 10, "d": 0.001, "e": "x", "f": 3}
    listed = [{"name": f"{n}", "params": {f"p{n // 2}": n}} for n in range(40)]
    spec = load_study_text(yaml.safe_dump({**study, "search": {"experiments": listed}}), "s.yaml")
    examples = example_trials(spec.search)
    assert len(examples) == MAX_EXAMPLES
    assert [e.label for e in examples][:3] == ["0", "2", "4"]
