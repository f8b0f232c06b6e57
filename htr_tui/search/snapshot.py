"""A consistent copy of a SQLite database that leaves the original as it is: no byte, no time, no file beside it changed.

SQLite itself would change something: a reader of a database in WAL mode makes `-wal` and `-shm` files, and one of a
database whose writer crashed rolls its journal back. So the copy is made here, and SQLite mends the copy.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from htr_tui.errors import StorageError

MAGIC = b"SQLite format 3\0"
SIDES = ("-wal", "-journal")
"""Files that belong to a database. The third, `-shm`, is an index of the WAL that SQLite makes anew."""

ATTEMPTS = 40
PAUSE_S = 0.05
TIMEOUT_S = 5.0
SETTLED_NS = 50_000_000
"""A file that changed less than this ago may change again within the same tick of its clock, unseen."""
SMALL = 64 << 20
"""Bytes that are copied so quickly that a lock meanwhile disturbs nobody."""


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as SQLite databases do."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def copy_database(source: Path, folder: Path) -> Path:
    """Copy a database into `folder`, with what its WAL or a crashed writer's journal says taken in."""
    target = folder / "copy.db"
    try:
        if _copy(source, target):
            _check(target)
            return target
    except (OSError, sqlite3.Error) as error:
        raise _unreadable(source, error) from error
    raise StorageError(
        f"{source} cannot be copied", "it is written to all the time", "try again when its program is quieter"
    )


def _copy(source: Path, target: Path) -> bool:
    """Without a lock where one would change something (a WAL, a crashed writer's journal) or last too long."""
    uses_wal = _uses_wal(source)
    if not uses_wal and _size(source) <= SMALL and not any(_size(side) for side in _sides(source)):
        return _backup(source, target)
    if _copy_files(source, target):
        return True
    # The second best: with a `-shm` file of a living writer, a reader makes and removes nothing.
    return (not uses_wal or _shm(source).exists()) and _backup(source, target)


def _backup(source: Path, target: Path) -> bool:
    """By SQLite's backup: a shared lock keeps writers away, and a read-only connection makes no file."""
    uri = f"file:{quote(os.fspath(source.resolve()))}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=TIMEOUT_S)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        original.backup(copy)
    return True


def _copy_files(source: Path, target: Path) -> bool:
    """By copying database and side files until none of them changed meanwhile; False if that never happens."""
    for _ in range(ATTEMPTS):
        before = _look(source)
        if not _is_settled(before):
            time.sleep(PAUSE_S)
            continue
        try:
            shutil.copyfile(source, target)
            for side, kept in zip(_sides(source), _sides(target), strict=True):
                kept.unlink(missing_ok=True)
                if side.exists():
                    shutil.copyfile(side, kept)
        except FileNotFoundError:
            if not source.exists():
                raise
            continue  # a side file went away: its writer has just finished
        if _look(source) == before:
            return True
    return False


def _check(target: Path) -> None:
    """Open the copy: takes in the WAL, rolls a journal back, and leaves one file in plain mode."""
    with closing(sqlite3.connect(target, timeout=TIMEOUT_S)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _uses_wal(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(20)[18:20] == b"\x02\x02"


def _sides(path: Path) -> list[Path]:
    return [path.with_name(path.name + side) for side in SIDES]


def _shm(path: Path) -> Path:
    return path.with_name(path.name + "-shm")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _look(path: Path) -> list[tuple[int, int, int] | None]:
    """Identity, size and time of the database and its side files."""
    found: list[tuple[int, int, int] | None] = []
    for file in (path, *_sides(path)):
        try:
            stat = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return found


def _is_settled(looked: list[tuple[int, int, int] | None]) -> bool:
    now = time.time_ns()
    return all(now - file[2] > SETTLED_NS for file in looked if file is not None)


def _unreadable(source: Path, error: Exception) -> StorageError:
    text = " ".join(str(error).split())[:300] or type(error).__name__
    if "locked" in text or "busy" in text:
        hint = "another program holds it; try again when that program is done"
    elif "malformed" in text or "not a database" in text:
        hint = "the file is damaged; `sqlite3 FILE .recover` may save what is left"
    else:
        hint = "check that the file can be read, and that there is room for a copy in the temporary folder"
    return StorageError(f"{source} cannot be read", text, hint)
