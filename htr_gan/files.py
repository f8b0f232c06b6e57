"""Atomic files and folders, and locks that die with their owner.

What another process may read is renamed into place as a whole; locks are `flock`, so that a killed process leaves none.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOCK_POLL_S = 0.2


def to_plain(value: Any) -> Any:
    """`value` with NaN and infinities as the strings "nan", "inf", "-inf" (a bare NaN is not JSON)."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def fingerprint(record: dict[str, Any]) -> str:
    """A name for the settings in `record`: equal settings, equal name."""
    text = json.dumps(to_plain(record), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def fsync_path(path: Path) -> None:
    """Push a file or folder to the disk, where the file system can."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError:
        pass
    finally:
        os.close(fd)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: readers see the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_path(path.parent)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Replace `path` by `record` as JSON."""
    write_atomic(path, (json.dumps(to_plain(record), ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None if it is missing, unreadable or not an object."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """A fresh folder to fill, renamed to `path` at the end; left out and removed if the body raises.

    A folder already at `path` is replaced: between the two renames `path` is missing for a moment, never half.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.iterdir():
            fsync_path(file)
        fsync_path(temporary)
        _replace_folder(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    fsync_path(path.parent)


def _replace_folder(temporary: Path, path: Path) -> None:
    if not path.exists():
        os.rename(temporary, path)
        return
    old = path.with_name(f".{path.name}.{os.getpid()}.old.tmp")
    shutil.rmtree(old, ignore_errors=True)
    os.rename(path, old)
    os.rename(temporary, path)
    shutil.rmtree(old, ignore_errors=True)


def sweep_leftovers(path: Path) -> None:
    """Remove what killed writers of `path` left beside it; only for its one writer, or under its lock."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, while_waiting: Callable[[float], None]) -> Iterator[None]:
    """Hold `path` exclusively; `while_waiting` gets the seconds waited so far and may raise to give up.

    The lock file stays: removing it would let two processes lock two different files of the same name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    started = time.monotonic()
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                while_waiting(time.monotonic() - started)
                time.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(fd)
