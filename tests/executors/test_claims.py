"""Claims on devices: held by processes, released by their death, safe from whoever else may write to the folder."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from htr_tui.devices import board as boards
from htr_tui.devices.board import Board, read_board
from htr_tui.errors import BusyError, StorageError
from htr_tui.executors import claims as claiming
from htr_tui.executors.claims import ClaimBoard, HeldFile
from htr_tui.executors.local import LocalExecutor
from tests.fakes.attempts_runner import fake_attempt
from tests.fakes.waiting import wait_for

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "board"


def study(folder: Path, name: str = "one", **facts: int | bool) -> ClaimBoard:
    return ClaimBoard(folder, study=name, path=Path("/runs") / name, **facts)  # type: ignore[arg-type]


def claim(claims: ClaimBoard, device: str = "GPU-a", trial: int = 3) -> HeldFile:
    with claims.choosing() as board:
        return claims.claim(board, device, label="gpu0", trial=trial, attempt=1, expected_bytes=7)


class Holder:
    """Another study's supervisor, with an attempt that holds GPU-a, and a wish for GPU-b."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.executors.holder", str(folder), "other", "GPU-a"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.runner = int(self.process.stdout.readline())

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        if pid == self.process.pid:
            self.process.wait(timeout=30)

    def close(self) -> None:
        self.process.kill()
        try:
            os.kill(self.runner, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.communicate(timeout=30)


@pytest.fixture
def holder(folder: Path) -> Iterator[Holder]:
    started = Holder(folder)
    yield started
    started.close()


def test_a_claim_tells_who_holds_the_device(folder: Path) -> None:
    held = claim(study(folder, priority=5, share=True))
    found = read_board(folder).claims[0]
    assert (found.device, found.study, found.path, found.trial, found.attempt) == ("GPU-a", "one", "/runs/one", 3, 1)
    assert (found.expected_bytes, found.priority, found.is_shared, found.runner) == (7, 5, True, None)
    assert found.user == boards.user_name(os.geteuid())
    study(folder).tell_runner(held.name, 4711)
    assert read_board(folder).claims[0].runner == 4711
    study(folder, "stranger").tell_runner(held.name, 1)
    assert read_board(folder).claims[0].runner == 4711
    held.close()
    assert read_board(folder) == Board()


def test_a_claim_outlives_the_supervisor_and_ends_with_the_runner(folder: Path, holder: Holder) -> None:
    assert [c.study for c in read_board(folder).claims] == ["other"]
    assert [w.study for w in read_board(folder).wishes] == ["other"]
    holder.kill(holder.process.pid)
    board = read_board(folder)
    assert [c.study for c in board.claims] == ["other"]
    assert board.wishes == ()  # a wish is the supervisor's
    holder.kill(holder.runner)
    wait_for(lambda: read_board(folder).claims == ())


def test_a_claim_ends_with_the_runner_although_the_supervisor_lives(folder: Path, holder: Holder) -> None:
    holder.kill(holder.runner)
    wait_for(lambda: read_board(folder).claims == ())
    assert holder.process.poll() is None


def test_the_runner_keeps_the_claim_from_the_trainer(folder: Path, tmp_path: Path) -> None:
    code = "import os; print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2 and os.path.exists(f'/proc/self/fd/{n}')))"
    attempt = fake_attempt(tmp_path / "a", argv=[sys.executable, "-c", f"{code}; import time; time.sleep(600)"])
    held = claim(study(folder))
    executor = LocalExecutor()
    executor.start(attempt, keep_open=(held.fd,))
    held.close()
    wait_for(lambda: attempt.log.exists() and attempt.log.read_text())
    assert str(folder) not in attempt.log.read_text()
    assert read_board(folder).claims[0].device == "GPU-a"
    os.kill(next(iter(executor.process_ids(attempt))), signal.SIGKILL)
    wait_for(lambda: executor.poll(attempt).phase == "ended")
    wait_for(lambda: read_board(folder).claims == ())


def test_a_claim_of_a_killed_runner_ends_although_its_trainer_lives_on(folder: Path, tmp_path: Path) -> None:
    attempt = fake_attempt(tmp_path / "a", "--hang-at", "1")
    held = claim(study(folder))
    executor = LocalExecutor()
    executor.start(attempt, keep_open=(held.fd,))
    held.close()
    runner = wait_for(lambda: attempt.runner.exists() and json.loads(attempt.runner.read_text())["pid"])
    os.kill(runner, signal.SIGKILL)
    wait_for(lambda: read_board(folder).claims == ())
    assert wait_for(lambda: executor.poll(attempt).phase == "lost")


def test_what_is_dead_is_cleared_away_by_the_next_who_chooses(folder: Path) -> None:
    claim(study(folder)).close()
    assert len(list(folder.glob("claim.*"))) == 1
    with study(folder).choosing() as board:
        assert board.read() == Board()
    assert list(folder.glob("claim.*")) == []


def test_only_one_chooses_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "MUTEX_WAIT_S", 0.02)
    with study(folder).choosing(), pytest.raises(BusyError), study(folder, "two").choosing():
        pass
    with study(folder, "two").choosing():
        pass


def test_a_mutex_that_is_never_let_go_stops_nobody_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "MUTEX_WAIT_S", 0.0)
    other = study(folder, "two")
    dead = claim(study(folder, "three"))
    dead.close()
    with study(folder).choosing():
        with pytest.raises(BusyError), other.choosing():
            pass
        monkeypatch.setattr(claiming, "STUCK_S", -1.0)
        with other.choosing() as board:
            assert not board.is_locked
            assert board.read() == Board()
            assert len(list(folder.glob("claim.*"))) == 1  # clearing away is for those with the mutex
    with other.choosing() as board:
        assert board.is_locked


def test_many_choose_at_once_and_one_gets_the_device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "MUTEX_WAIT_S", 30.0)
    won: list[HeldFile] = []

    def choose(number: int) -> None:
        claims = study(folder, f"s{number}")
        with claims.choosing() as board:
            if not board.read().claims:
                won.append(claims.claim(board, "GPU-a", label="gpu0", trial=0, attempt=1, expected_bytes=None))

    threads = [threading.Thread(target=choose, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    won[0].remove()


def test_a_crowd_that_dies_all_the_time_never_shares_a_device(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    crowd: dict[str, subprocess.Popen[bytes]] = {}
    seeds = iter(range(10_000))

    def start(name: str) -> None:
        command = [sys.executable, "-m", "tests.executors.crowd", str(folder), str(log), name, str(next(seeds))]
        crowd[name] = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    for name in ("a", "b", "c", "d"):
        start(name)
    deaths = 0
    while crowd:
        for name, process in list(crowd.items()):
            if (status := process.poll()) is None:
                continue
            del crowd[name]
            assert status in (0, -signal.SIGKILL)
            if status and deaths < 12:
                deaths += 1
                start(name)
        time.sleep(0.005)
    held: set[str] = set()
    events = sorted((line.split() for line in log.read_text().splitlines()), key=lambda event: float(event[0]))
    assert len(events) > 40
    assert deaths > 0
    for _, verb, device in events:
        assert (device in held) == (verb == "give"), events
        held ^= {device}
    wait_for(lambda: read_board(folder).claims == ())


def test_a_mutex_that_was_cleaned_away_is_made_again(folder: Path) -> None:
    with study(folder).choosing():
        (folder / "mutex").unlink()
        with study(folder, "two").choosing():  # no deadlock: the old file's lock no longer counts
            pass


def test_a_wish_keeps_its_place_and_goes_stale_when_nobody_renews_it(folder: Path) -> None:
    waiting = study(folder, "w", priority=9)
    with waiting.choosing() as board:
        waiting.wish(board, frozenset({"GPU-a"}), 5)
        first = waiting.wish_since
        waiting.wish(board, frozenset({"GPU-a", "GPU-b"}), 6)
    wish = read_board(folder).wishes[0]
    assert (wish.devices, wish.expected_bytes, wish.priority) == (frozenset({"GPU-a", "GPU-b"}), 6, 9)
    assert wish.since == first
    assert read_board(folder, now=time.time() + boards.STALE_WISH_S + 1).wishes == ()
    waiting.withdraw()
    assert read_board(folder).wishes == ()
    assert list(folder.glob("wish.*")) == []


def test_what_others_write_into_the_folder_is_only_data(folder: Path) -> None:
    with study(folder).choosing():
        pass
    outside = folder.parent / "outside"
    outside.write_text("secret")
    (folder / "claim.GPU-x.00000000aa").symlink_to(outside)
    (folder / "claim.GPU-y.00000000bb").mkdir()
    os.mkfifo(folder / "claim.GPU-z.00000000cc")
    (folder / "unrelated").write_text("x")
    evil = {"study": "\x1b[2Jbad\n", "path": 3, "trial": -1, "priority": 10**9, "since": "now", "expected_bytes": 1e400}
    files = []
    for name, content in (
        ("claim.GPU-a.0000000000", json.dumps(evil).encode()),
        ("claim.GPU-b.0000000000", b"\xff\x00 garbage"),
        ("wish.any.0000000000", b'{"devices": [1, {"a": 2}, "GPU-c"], "since": -5}'),
    ):
        (folder / name).write_bytes(content)
        files.append(os.open(folder / name, os.O_RDONLY))
        fcntl.flock(files[-1], fcntl.LOCK_EX)
    with study(folder).choosing() as opened:
        found = opened.read()
    assert [(c.device, c.study, c.trial, c.priority) for c in found.claims] == [
        ("GPU-a", "bad", None, 100),
        ("GPU-b", "?", None, 0),
    ]
    assert found.wishes[0].devices == {"GPU-c"}
    assert outside.read_text() == "secret"
    for file in files:
        os.close(file)


def test_a_folder_that_is_a_link_or_open_to_all_is_refused(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    with pytest.raises(StorageError), study(folder).choosing():
        pass
    assert read_board(folder).error
    assert list(elsewhere.iterdir()) == []
    folder.unlink()
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(StorageError, match="not safe"), study(folder).choosing():
        pass


def test_the_folder_is_made_for_everybody_and_files_are_readable(folder: Path) -> None:
    old = os.umask(0o077)
    try:
        held = claim(study(folder))
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o7777 == 0o1777
    assert (folder / held.name).stat().st_mode & 0o777 == 0o644
    assert (folder / "mutex").stat().st_mode & 0o777 == 0o644
    held.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_another_user_sees_the_claim_and_cannot_take_it_away(folder: Path) -> None:
    held = claim(study(folder))
    folder.parent.chmod(0o755)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from htr_tui.executors.claims import ClaimBoard\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "claims = ClaimBoard(Path(sys.argv[1]), study='two', path=Path('/runs/two'))\n"
        "with claims.choosing() as board:\n"
        "    found = board.read()\n"
        "    mine = claims.claim(board, 'GPU-b', label='gpu1', trial=0, attempt=1, expected_bytes=None)\n"
        "for path in Path(sys.argv[1]).glob('claim.GPU-a.*'):\n"
        "    try:\n"
        "        path.unlink(); print('deleted')\n"
        "    except PermissionError:\n"
        "        print('kept')\n"
        "print([(c.device, c.user) for c in found.claims])\n"
    )
    for parent in [folder, *folder.parents]:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o055)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env=env, cwd="/", timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["kept", f"[('GPU-a', '{boards.user_name(0)}')]"]
    with study(folder).choosing() as opened:
        assert [c.device for c in opened.read().claims] == ["GPU-a"]
    held.remove()


def test_who_looks_at_a_claim_while_it_is_made_does_not_spoil_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of the board tries the lock of every file it finds, also of one that was not locked yet."""
    readers: list[int] = []
    make = os.open

    def open_under_a_look(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd = make(path, flags, mode, dir_fd=dir_fd)
        if str(path).startswith(".claim") and not readers:
            readers.append(make(path, os.O_RDONLY, dir_fd=dir_fd))
            fcntl.flock(readers[0], fcntl.LOCK_SH)
            threading.Timer(0.01, os.close, readers).start()
        return fd

    monkeypatch.setattr(os, "open", open_under_a_look)
    held = claim(study(folder))
    assert readers
    assert [c.device for c in read_board(folder).claims] == ["GPU-a"]
    held.close()
