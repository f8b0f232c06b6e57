"""Claims on devices: taken by a supervisor, inherited by the runner, gone with it, whoever is killed and how.

The board's form is `htr_tui.devices.board`; this module is the side that writes.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from htr_tui.devices.board import CLAIM, SIZE, STALE_WISH_S, WISH, Board, Claim, Wish, file_slug, open_folder, scan
from htr_tui.errors import BusyError, StorageError
from htr_tui.files import dump_line, parse_line

MUTEX: Final = "mutex"
MUTEX_WAIT_S: Final = 0.25
"""Choosing takes milliseconds; who finds the mutex taken for longer tries again at its next tick."""
STUCK_S: Final = 10.0
"""Who has held the mutex for so long was stopped by a signal, or means no good: studies go on without it."""
LOOKS: Final = 50
"""How often a new file is tried to be locked while others look at it; a look takes microseconds."""
RENEW_S: Final = 3.0
"""Between renewals of a wish."""


@dataclass(slots=True)
class HeldFile:
    """A file of the board under our lock. It ends when the last process that has it open ends."""

    folder: Path
    name: str
    fd: int
    record: dict[str, Any] = field(default_factory=dict)

    def write(self, **changes: Any) -> None:
        """Say more; in one piece, so that readers see the old or the new."""
        self.record |= changes
        os.pwrite(self.fd, _padded(self.record), 0)

    def says(self, facts: dict[str, Any]) -> bool:
        """Whether it says all this already."""
        return all(self.record.get(key) == value for key, value in facts.items())

    def renew(self) -> None:
        """Tell readers that it is still meant."""
        os.utime(self.fd)

    def close(self) -> None:
        """Let our descriptor go; one that a runner inherited keeps the lock."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def remove(self) -> None:
        """Take it off the board; only for what no runner has."""
        try:
            (self.folder / self.name).unlink()
        except OSError:
            pass
        self.close()


class OpenBoard:
    """The board while its mutex is ours: what is read stays true until something is taken.

    Without the mutex (`is_locked` false), whoever takes a device must look again whether somebody else did, too.
    """

    def __init__(self, folder: Path, fd: int, *, is_locked: bool = True) -> None:
        self._folder = folder
        self._fd = fd
        self.is_locked = is_locked

    def read(self) -> Board:
        """Everything alive; what is dead is cleared away."""
        return scan(self._fd, remove_dead=self.is_locked)

    def take(self, kind: str, device: str, record: dict[str, Any]) -> HeldFile:
        """Make a claim or a wish. Nobody can open it before it is locked and complete."""
        name = f"{kind}.{file_slug(device)}.{secrets.token_hex(8)}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(f".{name}", flags, 0o600, dir_fd=self._fd)
        try:
            _lock_new(fd)
            os.pwrite(fd, _padded(record), 0)
            os.fchmod(fd, 0o644)
            os.rename(f".{name}", name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except OSError:
            os.close(fd)
            raise
        return HeldFile(self._folder, name, fd, dict(record))


def _lock_new(fd: int) -> None:
    """Lock a file of ours that just came to be; who reads the board may be trying its lock at this very moment."""
    for look in range(1, LOOKS + 1):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if look == LOOKS:
                raise
            time.sleep(0.002)
        else:
            return


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _padded(record: dict[str, Any]) -> bytes:
    return dump_line(record)[:SIZE].ljust(SIZE)


class ClaimBoard:
    """One study's hand on the machine's board."""

    def __init__(self, folder: Path, *, study: str, path: Path, priority: int = 0, share: bool = False) -> None:
        self.folder = folder
        self.path = str(path)
        self._inode = _inode(path)
        self._facts = {
            "study": study,
            "path": self.path,
            "inode": self._inode,
            "priority": priority,
            "share": share,
        }
        self._wish: HeldFile | None = None
        self._renewed = 0.0
        self._busy_since: float | None = None
        self._keep: HeldFile | None = None
        self._keep_renewed = 0.0

    def is_ours(self, found: Claim | Wish) -> bool:
        """Whether a claim or wish is this study's, also one of an earlier supervisor."""
        return found.path == self.path and found.inode == self._inode

    @property
    def wish_since(self) -> float | None:
        """Since when this study waits, in Unix seconds; None if it does not."""
        return self._wish.record["since"] if self._wish is not None else None

    @contextmanager
    def choosing(self) -> Iterator[OpenBoard]:
        """Hold the board's mutex; BusyError if others hold it, StorageError if the folder is unfit.

        Somebody who never lets go of it is waited for for a while only.
        """
        fd = open_folder(self.folder, create=True)
        try:
            mutex = self._mutex(fd)
            try:
                yield OpenBoard(self.folder, fd, is_locked=mutex is not None)
            finally:
                if mutex is not None:
                    os.close(mutex)
        finally:
            os.close(fd)

    def _mutex(self, folder: int) -> int | None:
        """A descriptor of the locked mutex; None when it has been others' for too long."""
        is_stuck = self._busy_since is not None and time.monotonic() - self._busy_since > STUCK_S
        try:
            mutex = _lock_mutex(folder, self.folder, 0.0 if is_stuck else MUTEX_WAIT_S)
        except BusyError:
            self._busy_since = self._busy_since or time.monotonic()
            if is_stuck:
                return None
            raise
        self._busy_since = None
        return mutex

    def claim(
        self, board: OpenBoard, device: str, *, label: str, trial: int, attempt: int, expected_bytes: int | None
    ) -> HeldFile:
        """Hold a device for an attempt; the runner that inherits the descriptor keeps it."""
        facts = {"label": label, "trial": trial, "attempt": attempt, "expected_bytes": expected_bytes}
        return board.take(CLAIM, device, {**self._facts, **facts, "since": time.time()})

    def wish(self, board: OpenBoard, devices: frozenset[str], expected_bytes: int | None) -> None:
        """Say which devices this study waits for; its place in the queue is that of its first wish.

        Who did not renew it for a while (a pause) queues up again.
        """
        if self._wish is not None and time.monotonic() - self._renewed > STALE_WISH_S:
            self.withdraw()
        facts = {"devices": sorted(devices), "expected_bytes": expected_bytes}
        if self._wish is None:
            self._wish = self._take_wish(board, facts)
        elif not self._wish.says(facts):
            self._wish.write(**facts)
        elif time.monotonic() - self._renewed < RENEW_S:
            return
        self._renewed = time.monotonic()
        self._wish.renew()

    def keep(self, board: OpenBoard, devices: frozenset[str]) -> None:
        """Say which devices this study goes on with: between two of its trials a lower priority does not slip in."""
        facts = {"devices": sorted(devices), "keep": True}
        if not devices:
            self.let_go()
        elif self._keep is None:
            self._keep = self._take_wish(board, facts)
        elif not self._keep.says(facts):
            self._keep.write(**facts)

    def _take_wish(self, board: OpenBoard, facts: dict[str, Any]) -> HeldFile:
        return board.take(WISH, "any", {**self._facts, **facts, "since": time.time()})

    def renew_keep(self) -> None:
        """Tell readers that the devices are still wanted; to be called often."""
        if self._keep is not None and time.monotonic() - self._keep_renewed >= RENEW_S:
            self._keep_renewed = time.monotonic()
            self._keep.renew()

    def withdraw(self) -> None:
        """Wait for nothing any more."""
        if self._wish is not None:
            self._wish.remove()
            self._wish = None

    def let_go(self) -> None:
        """Go on with nothing."""
        if self._keep is not None:
            self._keep.remove()
            self._keep = None

    def tell_runner(self, file: str, pid: int) -> None:
        """Write into a claim of ours who holds it now, so that others know its processes."""
        folder = open_folder(self.folder, create=False)
        try:
            fd = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            record = parse_line(os.pread(fd, SIZE, 0).rstrip(b"\0 \n")) or {}
            if (
                stat.S_ISREG(os.fstat(fd).st_mode)
                and record.get("path") == self.path
                and record.get("inode") == self._inode
            ):
                os.pwrite(fd, _padded({**record, "runner": pid}), 0)
        finally:
            os.close(fd)


def _lock_mutex(folder: int, path: Path, wait_s: float) -> int:
    deadline = time.monotonic() + wait_s
    while True:
        fd = _open_mutex(folder)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_current(folder, fd):
                return fd
        except BlockingIOError:
            pass
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
        if time.monotonic() > deadline:
            raise BusyError("others are choosing their devices just now", str(path), "it is tried again at once")
        time.sleep(0.005)


def _open_mutex(folder: int) -> int:
    """Opened for reading, which is enough for a lock: where /tmp is protected, files of others cannot be created over."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for _ in range(10):
        try:
            return os.open(MUTEX, flags, dir_fd=folder)
        except FileNotFoundError:
            pass
        try:
            fd = os.open(MUTEX, flags | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
        except FileExistsError:
            continue
        os.fchmod(fd, 0o644)
        return fd
    raise StorageError("cannot make the mutex of the board of devices")


def _is_current(folder: int, fd: int) -> bool:
    """Whether the locked file is still the one that others find (somebody may have cleaned up)."""
    try:
        now = os.stat(MUTEX, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    held = os.fstat(fd)
    return (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino)
