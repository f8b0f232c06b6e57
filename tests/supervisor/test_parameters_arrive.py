"""Parameters under a real supervisor and runner: what a foreign trainer finds in its words, variables and files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from tests.fakes.launching import FakeStudy
from tests.fakes.waiting import wait_for

DUMP = """\
import json, os, sys
names = [n for n in os.environ if n.startswith("X_")]
print("score", 1.5)
with open("seen.json", "w") as file:
    json.dump({"argv": sys.argv[1:], "env": {n: os.environ[n] for n in names}, "cwd": os.getcwd()}, file)
"""
VALUES: dict[str, Any] = {
    "text": 'it\'s "two"\nlines\t$HOME `id` \\ 手 * {trial} %s',
    "dashed": "--lr=3",
    "empty": "",
    "layers": [64, 32],
    "words": ["a b", "c,d"],
    "amp": True,
    "bias": False,
    "rate": 1e-05,
    "no": "no",
}


def study_of(base: Path, trainer: dict[str, Any], params: list[dict[str, Any]]) -> FakeStudy:
    (base / "dump.py").write_text(DUMP)
    study = {
        "study": "fake",
        "trainer": {
            "command": ["{python}", "{launch_dir}/dump.py"], "cwd": "{attempt_dir}/work",
            "metrics": {"log": r"score (?P<score>\S+)"}, **trainer,
        },
        "search": {"experiments": [{"name": str(n), "params": values} for n, values in enumerate(params)]},
        "objective": {"maximize": "score"},
        "tracking": "none",
    }  # fmt: skip
    made = FakeStudy(base)
    made.file.write_text(yaml.safe_dump(study, allow_unicode=True))
    return made


def seen(study: FakeStudy, trial: int) -> dict[str, Any]:
    found = json.loads((study.paths.attempt(trial, 1).root / "work" / "seen.json").read_text())
    assert isinstance(found, dict)
    return found


def test_values_arrive_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("text: x\nlayers: [1]\nrate: 1\namp: no\nkeep: no\nno: x\n")
    trainer = {
        "command": [
            "{python}", "{launch_dir}/dump.py", "{text}", "--x={text}", "{--dashed}", "{--dashed=dashed}", "{empty}",
            "{--layers}", "{words:words}", "{--amp}", "{--bias}", "{--missing}", "{--rate}", "{config}",
        ],
        "env": {"X_TEXT": "{text}", "X_WORDS": "{words:json}", "X_MISSING": "{missing}", "X_EMPTY": "{empty}"},
        "config": {"template": "base.yaml", "file": "conf/train.yml"},
    }  # fmt: skip
    study = study_of(tmp_path, trainer, [VALUES, {**VALUES, "missing": 1}])
    study.cli("run", str(study.file))
    fold = study.wait_until_ended()
    assert {t.state for t in fold.trials.values()} == {"complete"}, study.paths.attempt(0, 1).log.read_text()
    root = study.paths.attempt(0, 1).root
    config = str(root / "conf/train.yml")
    text = VALUES["text"]
    assert seen(study, 0) == {
        "argv": [
            text, f"--x={text}", "--dashed", "--lr=3", "--dashed=--lr=3", "", "--layers", "64", "32", "a b", "c,d", "--amp",
            "--rate", "1.0e-05", config,
        ],
        "env": {"X_TEXT": text, "X_WORDS": '["a b", "c,d"]', "X_EMPTY": ""},
        "cwd": os.path.realpath(root / "work"),
    }  # fmt: skip
    assert seen(study, 1)["argv"][12:14] == ["--missing", "1"]
    assert seen(study, 1)["env"]["X_MISSING"] == "1"
    rendered = yaml.safe_load(Path(config).read_text())
    expected = {"text": text, "layers": [64, 32], "rate": 1e-05, "amp": True, "keep": False}
    assert {name: rendered[name] for name in expected} == expected
    assert yaml.safe_load((root / "params.yaml").read_text()) == VALUES
    assert [n.message for n in fold.notes if n.level != "info"] == []


def test_a_script_that_changes_while_the_study_runs_is_told(tmp_path: Path) -> None:
    study = study_of(
        tmp_path, {"command": ["{python}", "{launch_dir}/dump.py", "{--a}"]}, [{"a": 1}, {"a": 2}, {"a": 3}]
    )
    study.cli("run", str(study.file), "--trials", "1")
    study.wait_until_ended()
    (tmp_path / "dump.py").write_text(DUMP + "print('edited')\n")
    study.cli("run", "fake", "--trials", "3")
    wait_for(lambda: study.fold().counts["complete"] == 3, 60)
    fold = study.wait_until_ended()
    (note,) = [note for note in fold.notes if "was changed since the launch" in note.message]
    assert (note.level, note.trial) == ("warning", 1)
    assert Path(note.message.rpartition("as it was: ")[2]).read_text() == DUMP
    assert ["edited" in study.paths.attempt(number, 1).log.read_text() for number in range(3)] == [False, True, True]


def test_a_value_set_by_hand_that_goes_nowhere_is_told(tmp_path: Path) -> None:
    study = study_of(tmp_path, {"command": ["{python}", "{launch_dir}/dump.py", "{--a}"]}, [{"a": 1}])
    (tmp_path / "dump.py").write_text("raise SystemExit(3)\n")
    study.cli("run", str(study.file))
    study.wait_until_ended()
    study.cli("retry", "fake", "0", "--set", "a=2", "--set", "batch=4")
    wait_for(lambda: len(study.fold().trials[0].attempts) == 2, 60)
    fold = study.wait_until_ended()
    assert next(n.message for n in fold.notes if "in vain" in n.message).startswith("batch: set in vain")
    command = json.loads(study.paths.attempt(0, 2).command.read_text())
    assert command["argv"][2:] == ["--a", "2"]
