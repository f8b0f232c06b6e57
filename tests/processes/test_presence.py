"""Identity and presence of processes: alive means this very process, not just its number."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from htr_tui.errors import BusyError
from htr_tui.processes.identity import ProcessIdentity, start_ticks
from htr_tui.processes.presence import SILENT_S, PresenceLock, read_presence
from tests.fakes.waiting import wait_for


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])


def test_identity_tells_the_living_from_the_dead_and_from_strangers() -> None:
    child = sleeper()
    identity = ProcessIdentity.of(child.pid)
    assert identity is not None
    assert identity.is_alive()
    stranger = ProcessIdentity(child.pid, identity.ticks + 1, identity.boot, identity.host)
    assert not stranger.is_alive()
    assert not stranger.send(signal.SIGKILL)
    assert child.poll() is None
    elsewhere = ProcessIdentity(child.pid, identity.ticks, identity.boot, "other-host")
    assert not elsewhere.is_here()
    assert not elsewhere.send(signal.SIGKILL)
    assert identity.send(signal.SIGKILL)
    wait_for(lambda: start_ticks(child.pid) is None)  # a zombie is dead
    assert not identity.is_alive()
    child.wait()
    assert not identity.send(signal.SIGKILL)
    assert ProcessIdentity.of(child.pid) is None


@pytest.mark.parametrize("record", [None, {}, {"pid": "x"}, {"pid": 1, "ticks": None, "boot": "", "host": ""}])
def test_broken_identities_are_none(record: dict[str, object] | None) -> None:
    assert ProcessIdentity.from_json(record) is None


def test_the_lock_is_exclusive_and_names_its_holder(tmp_path: Path) -> None:
    first = PresenceLock(tmp_path / "lock", tmp_path / "supervisor.json")
    first.acquire()
    first.beat(force=True)
    presence = read_presence(tmp_path / "supervisor.json")
    assert presence is not None
    assert (presence.alive, presence.pid, presence.is_here) == (True, os.getpid(), True)
    second = PresenceLock(tmp_path / "lock", tmp_path / "supervisor.json")
    with pytest.raises(BusyError, match=f"pid {os.getpid()} on"):
        second.acquire()
    first.release()
    ended = read_presence(tmp_path / "supervisor.json")
    assert ended is not None
    assert not ended.alive
    second.acquire()
    second.release()


def test_a_lock_whose_file_was_removed_still_holds(tmp_path: Path) -> None:
    """Even before its holder has told the world that it is there."""
    first = PresenceLock(tmp_path / "lock", tmp_path / "supervisor.json")
    first.acquire()
    (tmp_path / "lock").unlink()
    second = PresenceLock(tmp_path / "lock", tmp_path / "supervisor.json")
    with pytest.raises(BusyError):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_supervisor_of_another_machine_is_judged_by_its_heartbeat(tmp_path: Path) -> None:
    record = tmp_path / "supervisor.json"
    identity = {"pid": 1, "ticks": 1, "boot": "b", "host": "far-away", "started": 1.0}
    now = time.time()
    record.write_text(json.dumps(identity | {"heartbeat": now - 1, "ended": False}))
    fresh = read_presence(record, now)
    assert fresh is not None
    assert (fresh.alive, fresh.is_here, fresh.host) == (True, False, "far-away")
    with pytest.raises(BusyError, match="far-away"):
        PresenceLock(tmp_path / "lock", record).acquire()
    silent = read_presence(record, now + SILENT_S + 1)
    assert silent is not None
    assert not silent.alive


def test_garbage_is_no_presence(tmp_path: Path) -> None:
    record = tmp_path / "supervisor.json"
    assert read_presence(record) is None
    record.write_bytes(b"\xff{")
    assert read_presence(record) is None


def test_a_signal_that_there_was_no_room_for_is_not_taken_for_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    me = ProcessIdentity.current()

    def refuse(pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(OSError, match="Too many"):
        me.send(0)
