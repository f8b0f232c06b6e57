"""An attempt's folder as the runner and the trainer find it, and the files that a study was launched with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from htr_tui.errors import StorageError
from htr_tui.files import read_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, Origin, TrialRecord
from htr_tui.study.loading import load_study_text
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.folder import create_study_folder
from htr_tui.supervisor.launch_files import LaunchFiles
from htr_tui.supervisor.prepare import checkpointed_attempt, write_attempt

PARAMS = {"lr": 1e-05, "layers": [64, 32], "name": "no", "amp": True}


def study_of(trainer: dict[str, Any]) -> StudySpec:
    space = {"lr": {"float": [0, 1]}, "layers": 1, "name": "x", "amp": True}
    study = {
        "study": "s", "trainer": trainer, "search": {"space": space}, "objective": {"minimize": "loss"},
        "budget": {"trials": 1},
    }  # fmt: skip
    return load_study_text(yaml.safe_dump(study), "s.yaml")


def launch(base: Path, trainer: dict[str, Any]) -> tuple[StudyPaths, StudySpec]:
    spec = study_of(trainer)
    return create_study_folder(base / "runs", spec, b"study: s\n", base / "study.yaml", base), spec


def written(
    paths: StudyPaths, spec: StudySpec, base: Path, params: dict[str, Any] = PARAMS, **changes: Any
) -> dict[str, Any]:
    fields = {"overrides": {}, "env": {}, "resume_from": None, **changes}
    write_attempt(spec, paths, base, TrialRecord(0, "queued", params), 1, **fields)
    command = read_json(paths.attempt(0, 1).command)
    assert command is not None
    return command


def test_nothing_goes_on_from_a_folder_that_was_removed_and_made_again(tmp_path: Path) -> None:
    paths, spec = launch(tmp_path, {"command": ["train"]})
    trial = TrialRecord(0, "queued", PARAMS, attempts=(AttemptRecord(1, "failed"), AttemptRecord(2, "lost")))
    for number in (1, 2):
        write_attempt(spec, paths, tmp_path, trial, number, overrides={}, env={}, resume_from=None)
        paths.attempt(0, number).checkpoints.mkdir()
        (paths.attempt(0, number).checkpoints / "epoch-1").touch()
    assert checkpointed_attempt(paths, trial) == 2
    paths.attempt(0, 2).command.unlink()
    assert checkpointed_attempt(paths, trial) == 1


def test_parameter_files_read_the_same_everywhere(tmp_path: Path) -> None:
    paths, spec = launch(tmp_path, {"command": ["train", "{overrides}"]})
    command = written(paths, spec, tmp_path, overrides={"lr": 0.5, "extra": [1e-07, "a b"]})
    files = paths.attempt(0, 1)
    assert yaml.safe_load(files.params.read_text()) == PARAMS
    assert yaml.safe_load(files.overrides.read_text()) == {**PARAMS, "lr": 0.5, "extra": [1e-07, "a b"]}
    assert command["argv"] == [
        "train", "--set", "lr=0.5", "--set", "layers=[64, 32]", "--set", 'name="no"', "--set", "amp=true",
        "--set", 'extra=[1.0e-07, "a b"]',
    ]  # fmt: skip
    assert command["cwd"] == str(tmp_path)


def test_variables_of_the_study_give_way_to_ours_and_to_a_fix(tmp_path: Path) -> None:
    env = {"LR": "{lr}", "PYTHONUNBUFFERED": "", "HTR_TUI_TRIAL": "9", "THREADS": "1"}
    paths, spec = launch(tmp_path, {"command": ["train", "{overrides}"], "env": env})
    command = written(paths, spec, tmp_path, env={"HTR_TUI_TRIAL": "0", "THREADS": "2"})
    assert command["env"] == {"LR": "1.0e-05", "PYTHONUNBUFFERED": "", "HTR_TUI_TRIAL": "0", "THREADS": "2"}


def test_the_config_is_rendered_from_the_template_of_the_launch(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("lr: 1\nlayers: [1]\namp: no\nseed: 1\n")
    trainer = {
        "command": ["train", "--config", "{config}", "{--name}"],
        "config": "base.yaml",
        "cwd": "{attempt_dir}/work",
    }
    paths, spec = launch(tmp_path, trainer)
    (tmp_path / "base.yaml").write_text("seed: 2\n")
    command = written(paths, spec, tmp_path)
    config = paths.attempt(0, 1).root / "config.yaml"
    assert command["argv"] == ["train", "--config", str(config), "--name", "no"]
    assert yaml.safe_load(config.read_text()) == {"lr": 1e-05, "layers": [64, 32], "amp": True, "seed": 1}
    assert command["cwd"] == str(paths.attempt(0, 1).root / "work")
    assert Path(command["cwd"]).is_dir()


def test_a_command_that_cannot_be_made_fails_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text('{"lr": 1, "layers": 1, "amp": 1, "name": 1, "s": {"x": 1}}')
    paths, spec = launch(tmp_path, {"command": ["train", "{config}"], "config": "base.json"})
    command = written(paths, spec, tmp_path, overrides={"s": 3})
    result = subprocess.run(command["argv"], cwd=command["cwd"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "'s' is a section" in result.stderr
    (paths.files / "index.json").unlink()
    assert "has no copy of base.json" in written(paths, spec, tmp_path)["argv"][-1]


@pytest.mark.parametrize("folder", ["in-the-way", "in-the-way/below", "x" * 300])
def test_a_folder_that_cannot_be_made_fails_and_says_why(tmp_path: Path, folder: str) -> None:
    (tmp_path / "in-the-way").write_text("")
    paths, spec = launch(tmp_path, {"command": ["train", "{overrides}"], "cwd": folder})
    command = written(paths, spec, tmp_path)
    assert "trainer.cwd: the folder" in command["argv"][-1]
    assert command["cwd"] == str(tmp_path)


def test_named_files_are_copied_and_their_changes_told_once(tmp_path: Path) -> None:
    for name in ("train.py", "tiny.yaml", "other.yaml", "secret.json"):
        (tmp_path / name).write_text(f"# {name}\n")
    trainer = {
        "command": [
            "{python}",
            "{launch_dir}/train.py",
            "--config=tiny.yaml",
            "other.yaml",
            "missing.py",
            "{overrides}",
        ],
        "env": {"CREDENTIALS": "secret.json"},
    }
    paths, spec = launch(tmp_path, trainer)
    copies = {
        e["name"]: (paths.files / e["copy"]).read_text() for e in (read_json(paths.files / "index.json") or {})["files"]
    }
    assert copies == {"train.py": "# train.py\n", "tiny.yaml": "# tiny.yaml\n", "other.yaml": "# other.yaml\n"}
    files = LaunchFiles(paths)
    assert files.changes(spec.trainer) == []
    (tmp_path / "tiny.yaml").write_text("# another\n")
    (tmp_path / "other.yaml").unlink()
    told = files.changes(spec.trainer)
    assert ["tiny.yaml was changed" in told[0], "other.yaml was removed" in told[1], len(told)] == [True, True, 2]
    assert files.changes(spec.trainer) == []
    (tmp_path / "tiny.yaml").write_text("# tiny.yaml\n")
    assert files.changes(spec.trainer) == []
    (tmp_path / "tiny.yaml").write_text("# another again\n")
    assert len(files.changes(spec.trainer)) == 1


def test_a_changed_template_changes_nothing_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.sh").write_text("LR={lr}\n")
    paths, spec = launch(tmp_path, {"command": ["sh", "{config}"], "config": "t.sh"})
    (tmp_path / "t.sh").write_text("LR=0\n")
    (message,) = LaunchFiles(paths).changes(spec.trainer)
    assert "the study goes on with its copy" in message
    assert LaunchFiles(paths).template(spec.trainer) == "LR={lr}\n"


def test_a_study_made_from_another_keeps_its_template(tmp_path: Path) -> None:
    (tmp_path / "t.sh").write_text("LR={lr}\n")
    parent, spec = launch(tmp_path, {"command": ["sh", "{config}"], "config": "t.sh"})
    (tmp_path / "t.sh").write_text("LR=0\n")
    promoted = spec.model_copy(update={"study": "s-2"})
    paths = create_study_folder(
        tmp_path / "runs", promoted, b"", tmp_path / "study.yaml", tmp_path, promoted_from=Origin(parent.root.name, 0)
    )
    assert LaunchFiles(paths).template(promoted.trainer) == "LR={lr}\n"


def test_values_set_in_vain_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.sh").write_text("LR={lr}\n")
    paths, spec = launch(tmp_path, {"command": ["sh", "{config}", "{--name}"], "config": "t.sh"})
    assert LaunchFiles(paths).in_vain(spec.trainer, ["lr", "name"]) == ""
    assert "train.batch, amp: set in vain" in LaunchFiles(paths).in_vain(spec.trainer, ["lr", "train.batch", "amp"])


def test_large_files_are_neither_copied_nor_watched(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_bytes(b" " * ((1 << 20) + 1))
    paths, spec = launch(tmp_path, {"command": ["train", "data.json", "{overrides}"]})
    assert (read_json(paths.files / "index.json") or {})["files"] == []
    assert LaunchFiles(paths).changes(spec.trainer) == []


@pytest.mark.parametrize(
    "index", ["", "[]", '{"files": 3}', '{"files": [3, {"name": "t.sh"}, {"name": "t.sh", "copy": "../x"}]}']
)
def test_a_damaged_index_is_an_error_with_words(tmp_path: Path, index: str) -> None:
    (tmp_path / "t.sh").write_text("LR={lr}\n")
    paths, spec = launch(tmp_path, {"command": ["sh", "{config}"], "config": "t.sh"})
    (paths.files / "index.json").write_text(index)
    files = LaunchFiles(paths)
    assert files.changes(spec.trainer) == []
    with pytest.raises(StorageError):
        files.template(spec.trainer)


def test_a_study_without_named_files_has_no_folder_for_them(tmp_path: Path) -> None:
    paths, spec = launch(tmp_path, {"command": ["train", "{overrides}"]})
    assert not paths.files.exists()
    assert LaunchFiles(paths).template(spec.trainer) is None
    assert json.loads(paths.journal.read_text().splitlines()[0])["event"] == "study_created"
