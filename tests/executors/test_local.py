"""The local executor and the runner under it, with a real trainer process that misbehaves in every way."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from htr_tui.executors import local
from htr_tui.executors.local import LocalExecutor
from htr_tui.executors.slots import lowest_free
from htr_tui.files import iterate_records, read_json, write_json
from htr_tui.journal.paths import AttemptPaths
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.sweep import TOKEN, processes_with_token
from tests.fakes.attempts_runner import fake_attempt
from tests.fakes.waiting import wait_for


def run_to_end(paths: AttemptPaths, executor: LocalExecutor | None = None) -> dict[str, Any]:
    executor = executor or LocalExecutor()
    executor.start(paths)
    return wait_for_exit(paths, executor)


def wait_for_exit(paths: AttemptPaths, executor: LocalExecutor) -> dict[str, Any]:
    phase = wait_for(lambda: p if (p := executor.poll(paths)).phase in ("ended", "lost") else None, 60)
    assert phase.phase == "ended", paths.log.read_text(errors="replace")
    assert phase.exit is not None
    return phase.exit


def left_over(paths: AttemptPaths) -> list[int]:
    token = (read_json(paths.command) or {})["env"][TOKEN]
    return processes_with_token(token)


def test_success_is_told_with_memory_and_time(tmp_path: Path) -> None:
    paths = fake_attempt(tmp_path / "a", "--epochs", "2", "--eat-mb", "60")
    record = run_to_end(paths)
    assert record["exit_code"] == 0
    assert record["signal"] is None
    assert record["peak_rss_bytes"] > 60e6
    assert record["end"] >= record["start"]
    assert record["stop_requested"] is None
    assert [r["kind"] for r in iterate_records(paths.events)][-1] == "end"


def test_exit_status_and_text_of_a_crash_are_kept(tmp_path: Path) -> None:
    paths = fake_attempt(tmp_path / "a", "--crash-at", "1", "--status", "7", "--crash-text", "RuntimeError: boom")
    assert run_to_end(paths)["exit_code"] == 7
    assert b"RuntimeError: boom" in paths.log.read_bytes()


def test_a_signal_is_told_as_one(tmp_path: Path) -> None:
    record = run_to_end(fake_attempt(tmp_path / "a", "--signal", "9"))
    assert (record["exit_code"], record["signal"]) == (None, 9)


def test_a_command_that_does_not_exist_ends_with_127_and_a_reason(tmp_path: Path) -> None:
    paths = fake_attempt(tmp_path / "a", argv=["no-such-trainer-anywhere"])
    assert run_to_end(paths)["exit_code"] == 127
    assert "no-such-trainer-anywhere" in paths.log.read_text()


def test_stop_lets_the_trainer_write_its_checkpoint(tmp_path: Path) -> None:
    executor = LocalExecutor()
    paths = fake_attempt(tmp_path / "a", "--epochs", "3", "--hang-at", "2")
    executor.start(paths)
    wait_for(lambda: any(r["kind"] == "metrics" for r in iterate_records(paths.events)))
    executor.stop(paths, now=False)
    record = wait_for_exit(paths, executor)
    assert record["exit_code"] == 143
    assert record["stop_requested"] == "stop"
    assert not record["killed"]
    assert list(paths.checkpoints.iterdir())


def test_a_trainer_that_ignores_term_is_killed_after_the_grace_time(tmp_path: Path) -> None:
    executor = LocalExecutor()
    paths = fake_attempt(tmp_path / "a", "--hang-at", "2", "--ignore-term", grace_s=0.3)
    executor.start(paths)
    wait_for(lambda: any(r["kind"] == "metrics" for r in iterate_records(paths.events)))
    executor.stop(paths, now=False)
    record = wait_for_exit(paths, executor)
    assert record["killed"]
    assert record["signal"] == signal.SIGKILL


def test_grandchildren_do_not_outlive_their_trainer(tmp_path: Path) -> None:
    paths = fake_attempt(tmp_path / "a", "--epochs", "1", "--grandchild")
    record = run_to_end(paths)
    assert record["exit_code"] == 0
    assert record["leftover"] >= 2
    assert left_over(paths) == []


def test_a_killed_runner_is_lost_and_leaves_nothing(tmp_path: Path) -> None:
    executor = LocalExecutor()
    paths = fake_attempt(tmp_path / "a", "--hang-at", "1", "--grandchild", "--ignore-term")
    executor.start(paths)
    wait_for(lambda: len(left_over(paths)) >= 3)
    identity = ProcessIdentity.from_json(read_json(paths.runner))
    assert identity is not None
    assert identity.send(signal.SIGKILL)
    phase = wait_for(lambda: p if (p := executor.poll(paths)).phase != "running" else None)
    assert phase.phase == "lost"
    assert not phase.never_started
    assert left_over(paths) == []


def test_an_end_in_a_folder_that_was_removed_meanwhile_is_lost(tmp_path: Path) -> None:
    """Its metrics went with the old folder: what is there now would be taken for the whole trial."""
    gate = tmp_path / "gate"
    paths = fake_attempt(tmp_path / "a", "--epochs", "2", "--gate", str(gate))
    executor = LocalExecutor()
    executor.start(paths)
    wait_for(lambda: any(r["kind"] == "metrics" for r in iterate_records(paths.events)))
    paths.root.rename(tmp_path / "away")
    gate.write_text("9")
    wait_for(lambda: read_json(paths.exit))
    assert wait_for(lambda: p if (p := executor.poll(paths)).phase != "running" else None).phase == "lost"


def test_another_executor_adopts_what_the_first_started(tmp_path: Path) -> None:
    paths = fake_attempt(tmp_path / "a", "--hang-at", "1")
    LocalExecutor().start(paths)
    wait_for(lambda: paths.runner.exists())
    adopter = LocalExecutor()
    assert wait_for(lambda: adopter.poll(paths).phase == "running")
    assert adopter.wait_handles([paths])
    wait_for(lambda: any(r["kind"] == "start" for r in iterate_records(paths.events)))
    adopter.stop(paths, now=True)
    assert wait_for_exit(paths, adopter)["stop_requested"] == "now"
    assert adopter.wait_handles([]) == []


def test_an_attempt_that_no_runner_claimed_is_given_up_for_good(tmp_path: Path) -> None:
    paths = fake_attempt(tmp_path / "a", "--epochs", "1")
    phase = LocalExecutor().poll(paths)
    assert (phase.phase, phase.never_started) == ("lost", True)
    late = LocalExecutor()
    late.start(paths)  # the runner of the dead supervisor, arriving late
    wait_for(lambda: late.poll(paths).phase == "lost")
    assert not paths.events.exists()


def test_exit_is_written_although_the_trainer_filled_the_disk(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    import subprocess

    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no mount here")
    try:
        paths = fake_attempt(disk / "a", "--epochs", "1", "--print-mb", "4")
        record = run_to_end(paths)
        assert record["exit_code"] is not None
        assert read_json(paths.exit) is not None
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_output_of_any_size_and_kind_lands_in_the_log(tmp_path: Path) -> None:
    paths = fake_attempt(tmp_path / "a", "--epochs", "1", "--print-mb", "8", "--binary")
    assert run_to_end(paths)["exit_code"] == 0
    assert paths.log.stat().st_size > 8e6


@pytest.mark.parametrize(
    ("taken", "expected"), [(set(), 0), ({0}, 1), ({1, 2}, 0), ({0, 2}, 1), ({0, 1, 2}, 3), ({7, 9}, 0)]
)
def test_a_slot_is_the_lowest_that_is_free(taken: set[int], expected: int) -> None:
    assert lowest_free(taken) == expected


def test_the_runner_runs_isolated_from_the_package(tmp_path: Path) -> None:
    paths = fake_attempt(tmp_path / "a", argv=[sys.executable, "-c", "print('hello')"])
    run_to_end(paths)
    assert paths.log.read_text() == "hello\n"
    assert (paths.root / "runner.log").read_bytes() == b""


def test_files_that_cannot_be_read_now_end_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system that is down for a moment, on the side of a supervisor that adopted the attempt."""
    paths = fake_attempt(tmp_path / "a", "--hang-at", "1")
    first = LocalExecutor()
    first.start(paths)
    wait_for(lambda: first.poll(paths).phase == "running")
    adopter = LocalExecutor()

    def fail(path: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        with pytest.raises(OSError, match="Input/output"):
            adopter.poll(paths)
    assert adopter.poll(paths).phase == "running"
    adopter.stop(paths, now=True)
    wait_for_exit(paths, first)


@pytest.mark.parametrize("env", [["a", "list"], "text", {TOKEN: 5}])
def test_a_command_file_of_nonsense_is_no_obstacle(tmp_path: Path, env: object) -> None:
    paths = fake_attempt(tmp_path / "a")
    write_json(paths.command, {"argv": ["true"], "env": env})
    assert LocalExecutor().process_ids(paths) == set()
    assert LocalExecutor().poll(paths).phase == "lost"


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_runner_that_never_takes_its_attempt_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_asked: bool
) -> None:
    stuck = tmp_path / "runner.py"
    stuck.write_text("import signal; signal.pause()")
    monkeypatch.setattr(local, "RUNNER", stuck)
    paths, executor = fake_attempt(tmp_path / "a"), LocalExecutor()
    executor.start(paths)
    assert executor.poll(paths).phase == "starting"
    if is_asked:
        executor.stop(paths, now=True)
    else:
        monkeypatch.setattr(local, "START_S", -1.0)
    pid = executor._children[paths.root].pid
    phase = executor.poll(paths)
    assert (phase.phase, phase.never_started) == ("lost", True)
    wait_for(lambda: ProcessIdentity.of(pid) is None)
