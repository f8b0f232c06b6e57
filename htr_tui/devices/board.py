"""The machine's board of devices: who holds one and who waits for one, over all studies and users.

A folder for the whole machine. A claim is a file under a lock (flock) that the attempt's runner inherits, so it ends
with the runner, however that dies; a wish is one that a waiting supervisor holds. A file without its lock is dead. What
the files say was written by anybody: it is checked, cut and cleaned; whose file it is, the file system says.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from htr_tui.errors import StorageError
from htr_tui.files import parse_line, to_number
from htr_tui.text import clean_text

VARIABLE: Final = "HTR_TUI_DEVICE_LOCKS"
"""Environment variable that moves the board, as for a container that shares a folder with its host."""
DEFAULT: Final = Path("/tmp/htr-tui-devices")
CLAIM: Final = "claim"
WISH: Final = "wish"
SIZE: Final = 16384
"""Bytes of a file; always written whole, so that a reader never sees half of one."""
STALE_WISH_S: Final = 15.0
"""A wish that was not renewed for so long is not meant any more: its supervisor is paused or stopped by a signal."""
MOST_FILES: Final = 4096
_NAME: Final = re.compile(r"(claim|wish)\.([A-Za-z0-9-]{1,100})\.[0-9a-f]{8,32}")


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt that holds a device."""

    device: str
    """`file_slug` of `DeviceUnit.id`."""
    file: str
    user: str
    study: str = "?"
    path: str = ""
    """The study's folder."""
    trial: int | None = None
    attempt: int | None = None
    expected_bytes: int | None = None
    """GPU memory that the attempt will take, as far as is known."""
    priority: int = 0
    is_shared: bool = False
    """Its study lets attempts of others onto the device when the memory suffices."""
    runner: int | None = None
    """Pid, once it runs."""
    since: float | None = None
    inode: int | None = None
    """Of the study's folder: in two containers two studies may have the same path."""

    @property
    def who(self) -> str:
        """Like "trial 3 of loss-weights (anna)"."""
        trial = "a trial" if self.trial is None else f"trial {self.trial}"
        return f"{trial} of {self.study} ({self.user})"


@dataclass(frozen=True, slots=True)
class Wish:
    """A study that waits for one of some devices, or goes on with those that it has."""

    file: str
    user: str
    study: str = "?"
    path: str = ""
    devices: frozenset[str] = frozenset()
    expected_bytes: int | None = None
    priority: int = 0
    since: float = 0.0
    inode: int | None = None
    is_keeping: bool = False
    """It has the devices and wants them for its next trials too; who has the same priority need not mind."""

    @property
    def who(self) -> str:
        """Like "loss-weights (anna), priority 5"."""
        return f"{self.study} ({self.user}), priority {self.priority}"


@dataclass(frozen=True, slots=True)
class Board:
    """All living claims and wishes, or the sentence why they cannot be read."""

    claims: tuple[Claim, ...] = ()
    wishes: tuple[Wish, ...] = ()
    error: str | None = None


def file_slug(device: str) -> str:
    """A device's id as a part of a file's name; UUIDs stay as they are."""
    return re.sub("[^A-Za-z0-9-]", "-", device)[:100]


def board_folder(env: Mapping[str, str]) -> Path:
    """Where the machine's board is."""
    return Path(env.get(VARIABLE) or DEFAULT)


def open_folder(folder: Path, *, create: bool) -> int:
    """A descriptor of the board's folder, through which alone its files are reached; StorageError if it is unfit.

    No link is followed, and in a folder that others may write to only the sticky bit keeps them off our files.
    """
    if create:
        _create(folder)
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot open the board of devices {folder}", error.strerror or str(error)) from error
    found = os.fstat(fd)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
        os.close(fd)
        raise StorageError(
            f"the board of devices {folder} is not safe", "others may delete our locks", f"chmod 1777 {folder}"
        )
    return fd


def _create(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        return
    except OSError as error:
        raise StorageError(f"cannot make the board of devices {folder}", error.strerror or str(error)) from error
    folder.chmod(0o1777)  # after mkdir: the umask would take the others' rights away


def folder_trouble(folder: Path) -> str | None:
    """Why studies cannot use the board, in words; None if they can. Makes nothing."""
    if not folder.exists() and not folder.is_symlink():
        place = next(place for place in folder.absolute().parents if place.exists())
        return None if os.access(place, os.W_OK | os.X_OK) else f"{place} cannot be written"
    try:
        fd = open_folder(folder, create=False)
    except StorageError as error:
        return error.message or error.title
    os.close(fd)
    return None if os.access(folder, os.W_OK | os.X_OK) else "it cannot be written"


def read_board(folder: Path, now: float | None = None) -> Board:
    """The board as it is; changes nothing. A machine without one is a normal case."""
    if not folder.exists() and not folder.is_symlink():
        return Board()
    try:
        fd = open_folder(folder, create=False)
    except StorageError as error:
        return Board(error=str(error))
    try:
        return scan(fd, now)
    finally:
        os.close(fd)


def scan(folder: int, now: float | None = None, *, remove_dead: bool = False) -> Board:
    """Everything alive on the board. Removing what is dead needs the board's mutex."""
    claims: list[Claim] = []
    wishes: list[Wish] = []
    for name in _names(folder):
        found = _read_living(folder, name)
        if found is None:
            if remove_dead:
                _remove(folder, name)
            continue
        record, status = found
        match = _NAME.fullmatch(name)
        if match is None:
            continue  # just being made
        if match[1] == CLAIM:
            claims.append(_claim(name, match[2], status, record))
        elif (time.time() if now is None else now) - status.st_mtime < STALE_WISH_S:
            wishes.append(_wish(name, status, record))
    claims.sort(key=lambda claim: (claim.since or 0.0, claim.file))
    wishes.sort(key=lambda wish: (-wish.priority, wish.since, wish.file))
    return Board(tuple(claims), tuple(wishes))


def _names(folder: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= MOST_FILES:
                return
            if _NAME.fullmatch(entry.name.removeprefix(".")):
                yield entry.name


def _read_living(folder: int, name: str) -> tuple[dict[str, Any], os.stat_result] | None:
    """(what it says, its status) of a file whose lock is held; None for a dead one or none of ours."""
    try:
        # Not blocking and no link: a pipe or a link in its place must neither stop nor lead us.
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or not _is_locked(fd):
            return None
        return parse_line(os.pread(fd, SIZE, 0).rstrip(b"\0 \n")) or {}, status
    except OSError:
        return None
    finally:
        os.close(fd)


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two readers do not take each other for holders
    except BlockingIOError:
        return True
    return False


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        pass  # of another user: it is dead all the same


def _claim(name: str, slug: str, status: os.stat_result, record: dict[str, Any]) -> Claim:
    """From a file that says nothing useful the name still tells which device is held."""
    return Claim(
        device=slug,
        file=name,
        user=user_name(status.st_uid),
        study=_text(record, "study", 100) or "?",
        path=_text(record, "path", 4000),
        trial=_whole(record, "trial"),
        attempt=_whole(record, "attempt"),
        expected_bytes=_whole(record, "expected_bytes"),
        priority=_priority(record),
        is_shared=record.get("share") is True,
        runner=_whole(record, "runner"),
        since=_time(record),
        inode=_whole(record, "inode"),
    )


def _wish(name: str, status: os.stat_result, record: dict[str, Any]) -> Wish:
    devices = record.get("devices")
    names = devices if isinstance(devices, list) else []
    return Wish(
        file=name,
        user=user_name(status.st_uid),
        study=_text(record, "study", 100) or "?",
        path=_text(record, "path", 4000),
        devices=frozenset(clean_text(name, 100) for name in names[:256] if isinstance(name, str)),
        expected_bytes=_whole(record, "expected_bytes"),
        priority=_priority(record),
        since=_time(record) or status.st_mtime,
        inode=_whole(record, "inode"),
        is_keeping=record.get("keep") is True,
    )


def user_name(uid: int) -> str:
    """A user's name, or the number where nobody knows one."""
    import pwd

    try:
        return clean_text(pwd.getpwuid(uid).pw_name, 40)
    except (KeyError, OverflowError):
        return str(uid)


def _text(record: Mapping[str, Any], key: str, limit: int) -> str:
    value = record.get(key)
    return clean_text(value, limit).strip() if isinstance(value, str) else ""


def _whole(record: Mapping[str, Any], key: str) -> int | None:
    value = record.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 60 else None


def _priority(record: Mapping[str, Any]) -> int:
    value = record.get("priority")
    return max(-100, min(100, value)) if isinstance(value, int) and not isinstance(value, bool) else 0


def _time(record: Mapping[str, Any]) -> float | None:
    value = to_number(record.get("since"))
    return value if value is not None and 0 <= value < 1e11 else None
