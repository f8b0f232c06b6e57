"""Whatever a trainer does, a stop ends it and leaves nothing; whoever had the number of a dead process is left alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from htr_tui.executors.local import RUNNER, LocalExecutor
from htr_tui.files import iterate_records, read_json, write_json
from htr_tui.journal.paths import AttemptPaths
from htr_tui.processes.identity import ProcessIdentity, boot_id, start_ticks
from htr_tui.processes.runner import children, descendants
from htr_tui.processes.sweep import TOKEN, end_marked, processes_with_token
from tests.fakes.attempts_runner import fake_attempt
from tests.fakes.waiting import wait_for

HANG = ("--epochs", "3", "--hang-at", "2")


def token_of(paths: AttemptPaths) -> str:
    return str((read_json(paths.command) or {})["env"][TOKEN])


def runner_of(paths: AttemptPaths) -> ProcessIdentity:
    identity = wait_for(lambda: ProcessIdentity.from_json(read_json(paths.runner)))
    assert identity is not None
    return identity


def trainer_of(paths: AttemptPaths) -> int:
    runner = runner_of(paths)
    return wait_for(lambda: next(iter(children(runner.pid)), None))


def wait_for_first_epoch(paths: AttemptPaths) -> None:
    wait_for(lambda: any(r["kind"] == "metrics" for r in iterate_records(paths.events)))


def wait_until_over(paths: AttemptPaths, executor: LocalExecutor) -> str:
    return wait_for(lambda: phase if (phase := executor.poll(paths).phase) in ("ended", "lost") else None)


@pytest.mark.parametrize(
    "troubles", [("--grandchild",), ("--ignore-term", "--grandchild"), ("--storm", "20"), ("--hide",)]
)
def test_stop_now_leaves_nothing(tmp_path: Path, troubles: tuple[str, ...]) -> None:
    executor, paths = LocalExecutor(), fake_attempt(tmp_path / "a", *HANG, *troubles)
    executor.start(paths)
    wait_for_first_epoch(paths)
    below = descendants(runner_of(paths).pid)
    assert len(below) >= 2
    executor.stop(paths, now=True)
    assert wait_until_over(paths, executor) == "ended"
    record = read_json(paths.exit)
    assert record is not None
    assert record["stop_requested"] == "now"
    assert record["seconds"] - (record["stop_time"] - record["start"]) < 15
    assert processes_with_token(token_of(paths)) == []
    assert all(start_ticks(pid) is None for pid in below)


@pytest.mark.parametrize("now", [False, True])
def test_a_trainer_that_is_stopped_by_the_keyboard_acts_on_a_stop(tmp_path: Path, now: bool) -> None:
    executor, paths = LocalExecutor(), fake_attempt(tmp_path / "a", *HANG)
    executor.start(paths)
    wait_for_first_epoch(paths)
    os.kill(trainer_of(paths), signal.SIGSTOP)
    executor.stop(paths, now=now)
    assert wait_until_over(paths, executor) == "ended"
    record = read_json(paths.exit)
    assert record is not None
    assert (record["exit_code"], record["killed"]) == (143, False)
    assert list(paths.checkpoints.iterdir())


def test_a_runner_that_is_stopped_by_the_keyboard_hears_of_a_stop(tmp_path: Path) -> None:
    executor, paths = LocalExecutor(), fake_attempt(tmp_path / "a", *HANG)
    executor.start(paths)
    wait_for_first_epoch(paths)
    assert runner_of(paths).send(signal.SIGSTOP)
    executor.stop(paths, now=False)
    assert wait_until_over(paths, executor) == "ended"


def test_a_runner_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htr_tui.executors.local.NOW_DEADLINE_S", 0.0)
    executor, paths = LocalExecutor(), fake_attempt(tmp_path / "a", *HANG, "--ignore-term")
    executor.start(paths)
    wait_for_first_epoch(paths)
    executor.stop(paths, now=True)
    assert wait_until_over(paths, executor) == "lost"
    assert processes_with_token(token_of(paths)) == []


def test_orphans_of_a_dead_runner_end_with_their_kin(tmp_path: Path) -> None:
    executor, paths = LocalExecutor(), fake_attempt(tmp_path / "a", *HANG, "--ignore-term", "--grandchild", "--hide")
    executor.start(paths)
    wait_for_first_epoch(paths)
    below = descendants(runner_of(paths).pid)
    assert len(below) >= 4
    assert runner_of(paths).send(signal.SIGKILL)
    assert wait_until_over(paths, executor) == "lost"
    assert all(start_ticks(pid) is None for pid in below)


def test_a_storm_without_a_runner_ends(tmp_path: Path) -> None:
    executor, paths = LocalExecutor(), fake_attempt(tmp_path / "a", *HANG, "--storm", "20")
    executor.start(paths)
    wait_for_first_epoch(paths)
    assert runner_of(paths).send(signal.SIGKILL)
    assert wait_until_over(paths, executor) == "lost"
    assert processes_with_token(token_of(paths)) == []


@pytest.mark.parametrize("adopted", [False, True])
def test_a_removed_folder_leaves_nothing_running(tmp_path: Path, adopted: bool) -> None:
    executor, paths = LocalExecutor(), fake_attempt(tmp_path / "a", *HANG, "--grandchild")
    executor.start(paths)
    wait_for_first_epoch(paths)
    runner, token = runner_of(paths), token_of(paths)
    shutil.rmtree(paths.root.rename(tmp_path / "gone"), ignore_errors=True)
    watcher = LocalExecutor() if adopted else executor
    assert wait_until_over(paths, watcher) == "lost"
    assert processes_with_token(token) == []
    wait_for(lambda: not runner.is_alive())


def test_a_full_disk_keeps_a_runner_waiting_with_its_word(tmp_path: Path) -> None:
    """The word is written once there is room: here at the third try."""
    paths = fake_attempt(tmp_path / "a", "--epochs", "1")
    code = (
        "import errno, runpy, signal, sys\n"
        "module = runpy.run_path(sys.argv[1])\n"
        "tries = []\n"
        "def refuse(*arguments):\n"
        "    tries.append(1)\n"
        "    if len(tries) < 3:\n"
        "        raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "    return real(*arguments)\n"
        "main = module['main']\n"
        "real = main.__globals__['write_whole']\n"
        "main.__globals__['write_whole'] = refuse\n"
        "sys.exit(main(['runner', sys.argv[2]]))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(RUNNER), str(paths.root)], check=True, timeout=60)
    record = read_json(paths.exit)
    assert record is not None
    assert record["exit_code"] == 0
    assert not (paths.root / ".reserve").exists()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us."""
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
    yield child
    child.kill()
    child.wait()


@pytest.mark.parametrize("boot", ["this", "before"])
def test_a_stranger_with_the_number_of_a_runner_is_never_signalled(
    tmp_path: Path, stranger: subprocess.Popen[bytes], boot: str
) -> None:
    paths = fake_attempt(tmp_path / "a", *HANG)
    ticks = start_ticks(stranger.pid)
    assert ticks is not None
    record = {
        "pid": stranger.pid,
        "ticks": ticks if boot == "before" else ticks - 1,
        "boot": "another" if boot == "before" else boot_id(),
        "host": os.uname().nodename,
    }
    write_json(paths.runner, record)
    executor = LocalExecutor()
    executor.stop(paths, now=True)
    executor.stop(paths, now=False)
    assert executor.poll(paths).phase == "lost"
    assert stranger.poll() is None


def test_ending_what_is_marked_touches_nobody_else(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    environment = {**os.environ, TOKEN: "ours"}
    marked = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"], env=environment)
    wait_for(lambda: processes_with_token("ours"))
    assert end_marked([f"{TOKEN}=ours"]) == 1
    assert marked.wait(10) == -signal.SIGKILL
    assert stranger.poll() is None
    assert end_marked([f"{TOKEN}=ours"]) == 0
