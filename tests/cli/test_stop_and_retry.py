"""`htr-tui stop` where the supervisor does not live to see its end, and `retry` in a study that was stopped."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from htr_tui.__main__ import main
from htr_tui.cli import stop
from htr_tui.files import dump_line, read_json, write_json
from htr_tui.journal.commands import pending_commands
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.sweep import FOLDER
from htr_tui.supervisor import launch
from tests.fakes.attempts import DEAD_PROCESS
from tests.fakes.studies import build_study


@pytest.fixture
def study(tmp_path: Path) -> StudyPaths:
    return build_study(tmp_path / "runs", "alpha", trials=7, running=1, failed=1, stopped=2, full_attempts=0)


@pytest.fixture
def trainer(study: StudyPaths) -> Iterator[subprocess.Popen[bytes]]:
    """A trainer of the running trial whose runner is gone."""
    environment = {**os.environ, FOLDER: str(study.attempt(6, 1).root)}
    child = subprocess.Popen(["sleep", "600"], env=environment)
    yield child
    child.kill()
    child.wait()


def die(paths: StudyPaths) -> None:
    """The supervisor is gone, without a word."""
    write_json(paths.supervisor, {**(read_json(paths.supervisor) or {}), **DEAD_PROCESS, "heartbeat": 0})


def test_a_supervisor_that_is_killed_while_it_stops_is_followed_by_another(
    study: StudyPaths, trainer: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    started: list[Path] = []

    def launched(paths: StudyPaths, base: Path) -> None:
        started.append(paths.root)
        trainer.kill()
        trainer.wait()
        with open(paths.journal, "ab") as file:
            file.write(dump_line({"t": 1.0, "event": "supervisor_ended", "reason": "stopped"}))

    monkeypatch.setattr(stop, "wake_supervisor", die)
    monkeypatch.setattr(stop, "launch_supervisor", launched)
    assert main(["--dir", str(study.root.parent.parent), "stop", "alpha"]) == 0
    assert started == [study.root]
    assert [c.name for c in pending_commands(study)[0]] == ["stop", "stop"]
    assert "stopped" in capsys.readouterr().out


def test_retry_in_a_stopped_study_says_what_else_goes_on(
    study: StudyPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    die(study)
    presence = launch.supervisor_presence(study)
    monkeypatch.setattr(launch, "launch_supervisor", lambda paths, base: presence)
    assert main(["--dir", str(study.root.parent.parent), "retry", "alpha", "4"]) == 0
    assert "the study goes on, also with its stopped trials 5" in capsys.readouterr().out


def test_a_supervisor_that_cannot_be_started_is_an_error_in_words(
    study: StudyPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    die(study)
    study.supervisor_log.mkdir()  # nothing can be written there
    assert main(["--dir", str(study.root.parent.parent), "retry", "alpha", "4"]) == 1
    assert "cannot be started" in capsys.readouterr().err
