"""Whether a study's supervisor is there: its lock, its identity and its heartbeat."""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from htr_tui.errors import BusyError, StorageError
from htr_tui.files import read_json, to_number, write_json
from htr_tui.processes.identity import ProcessIdentity

HEARTBEAT_S = 10.0
VANISH_S = 1.0
SILENT_S = 60.0
"""A supervisor of another machine is presumed dead after this long without a heartbeat."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What `supervisor.json` tells, and whether it is still true."""

    alive: bool
    pid: int
    host: str
    heartbeat: float | None
    started: float | None
    is_here: bool
    """False when it runs (or ran) on another machine, where only the heartbeat can tell."""


def read_presence(path: Path, now: float | None = None) -> Presence | None:
    """The supervisor that `path` (supervisor.json) names; None if there never was one or the file is broken."""
    record = read_json(path)
    identity = ProcessIdentity.from_json(record)
    if identity is None or record is None:
        return None
    heartbeat = to_number(record.get("heartbeat"))
    here = identity.is_here()
    if record.get("ended"):
        alive = False
    elif here:
        alive = identity.is_alive()
    elif identity.host == os.uname().nodename:
        alive = False  # this machine, but another boot
    else:
        now = time.time() if now is None else now
        alive = heartbeat is not None and now - _believable(heartbeat, now, path) < SILENT_S
    return Presence(alive, identity.pid, identity.host, heartbeat, to_number(record.get("started")), here)


def _believable(heartbeat: float, now: float, path: Path) -> float:
    """A heartbeat from the future tells of a wrong clock: then the file's own time counts."""
    if heartbeat <= now + SILENT_S:
        return heartbeat
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


class PresenceLock:
    """Held by the one supervisor of a study: flock for the truth, supervisor.json for people and other machines."""

    def __init__(self, lock: Path, record: Path) -> None:
        self._lock_path = lock
        self._record_path = record
        self._fd: int | None = None
        self._folder_fd: int | None = None
        """The study's folder under a lock, too: the lock's file may be removed under a living supervisor."""
        self._started = time.time()
        self._last_beat = 0.0
        self._who = ProcessIdentity.current().as_json()
        """Found out once: where all descriptors are in use, /proc cannot be read."""

    def acquire(self) -> None:
        """Take the lock; BusyError names who holds it. The world is told by the first `beat`."""
        presence = read_presence(self._record_path)
        if presence is not None and presence.alive and not presence.is_here:
            raise _busy(presence)
        try:
            fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"cannot open {self._lock_path}", str(error)) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise _busy(read_presence(self._record_path)) from error
        try:
            self._folder_fd = _lock_folder(self._lock_path.parent)
            if (other := self._other_supervisor()) is not None:
                raise _busy(other)
        except BusyError:
            self._unlock_folder()
            os.close(fd)
            raise
        self._fd = fd

    def _other_supervisor(self) -> Presence | None:
        """Who is there although the lock was free; a killed one lets go of its lock a moment before it is gone."""
        deadline = time.monotonic() + VANISH_S
        while (presence := read_presence(self._record_path)) is not None:
            if not presence.alive or not presence.is_here or presence.pid == os.getpid():
                return None
            if time.monotonic() > deadline:
                return presence
            time.sleep(0.02)
        return None

    def beat(self, *, force: bool = False) -> None:
        """Renew the heartbeat when it is due; a full disk costs the heartbeat only."""
        now = time.monotonic()
        if not force and now - self._last_beat < HEARTBEAT_S:
            return
        self._last_beat = now
        self._write(ended=False)

    def release(self) -> None:
        """Say that the supervisor ended on purpose, and let go of the lock."""
        if self._fd is not None:
            self._write(ended=True)
            self._unlock_folder()
            os.close(self._fd)
            self._fd = None

    def _unlock_folder(self) -> None:
        if self._folder_fd is not None:
            os.close(self._folder_fd)
            self._folder_fd = None

    def abandon(self) -> None:
        """Let go of the lock and say nothing: the folder is another study's by now, or nobody's."""
        if self._fd is not None:
            self._unlock_folder()
            os.close(self._fd)
            self._fd = None

    def _write(self, *, ended: bool) -> None:
        record = {**self._who, "started": self._started, "heartbeat": time.time(), "ended": ended}
        try:
            write_json(self._record_path, record)
        except OSError:
            pass


def _lock_folder(folder: Path) -> int | None:
    """A lock on a folder; None where the file system has none of that kind (NFS), BusyError where another has it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    deadline = time.monotonic() + VANISH_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:  # a killed one lets go of its locks one after the other
                time.sleep(0.02)
                continue
            os.close(fd)
            raise _busy(None) from error
        except OSError:
            os.close(fd)
            return None
        return fd


def _busy(presence: Presence | None) -> BusyError:
    who = f"pid {presence.pid} on {presence.host}" if presence else "another process"
    return BusyError(
        f"the study is already supervised by {who}",
        "",
        "look with `htr-tui status`, or stop it with `htr-tui stop STUDY`",
    )
