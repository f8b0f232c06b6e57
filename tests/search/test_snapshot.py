"""A database that others use, or that a crash left behind, is copied whole and stays as it is."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from htr_tui.errors import StorageError
from htr_tui.search import snapshot
from htr_tui.search.snapshot import copy_database, is_sqlite
from tests.importing.picture import picture

ROWS = 500


def make(path: Path, mode: str) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE t (n INTEGER, text TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, "old" * 100) for n in range(ROWS)])
        connection.commit()


def rows_of(copy: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return list(connection.execute("SELECT count(*), min(substr(text, 1, 3)) FROM t"))


@contextmanager
def writer(path: Path, script: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another program with the database open; it has done `script` when this begins."""
    program = f"import os, sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n{script}\n"
    program += "print('ready', flush=True)\nsys.stdin.read()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    folder = tmp_path / "aside"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("mode", ["DELETE", "TRUNCATE", "PERSIST", "WAL"])
def test_a_database_at_rest(tmp_path: Path, aside: Path, mode: str) -> None:
    source = tmp_path / "theirs" / "a ?#%20.db"
    make(source, mode)
    before = picture(source.parent)
    assert rows_of(copy_database(source, aside)) == [(ROWS, "old")]
    assert picture(source.parent) == before


def test_a_living_writer_with_a_wal(tmp_path: Path, aside: Path) -> None:
    source = tmp_path / "theirs" / "x.db"
    make(source, "WAL")
    with writer(source, "c.execute(\"INSERT INTO t VALUES (-1, 'new')\")"):
        assert source.with_name("x.db-wal").stat().st_size > 0
        before = picture(source.parent)
        assert rows_of(copy_database(source, aside)) == [(ROWS + 1, "new")]
        assert picture(source.parent) == before


def test_a_wal_that_a_killed_writer_left(tmp_path: Path, aside: Path) -> None:
    source = tmp_path / "theirs" / "x.db"
    make(source, "WAL")
    with writer(source, "c.execute(\"INSERT INTO t VALUES (-1, 'new')\")") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = picture(source.parent)
        assert "x.db-wal" in before
        assert rows_of(copy_database(source, aside)) == [(ROWS + 1, "new")]
        assert picture(source.parent) == before


def test_a_transaction_that_a_killed_writer_left_half_written(tmp_path: Path, aside: Path) -> None:
    source = tmp_path / "theirs" / "x.db"
    make(source, "DELETE")
    half = "c.execute('PRAGMA cache_size=2'); c.execute('BEGIN'); c.execute(\"UPDATE t SET text = replace(text, 'old', 'bad')\")"
    with writer(source, half) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = picture(source.parent)
        assert before["x.db-journal"] != before["x.db"]
        assert b"bad" in source.read_bytes()
        assert rows_of(copy_database(source, aside)) == [(ROWS, "old")]
        assert picture(source.parent) == before


def test_a_locked_database_is_an_error_that_says_so(
    tmp_path: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "theirs" / "x.db"
    make(source, "DELETE")
    monkeypatch.setattr(snapshot, "TIMEOUT_S", 0.05)
    with (
        writer(source, "c.execute('PRAGMA locking_mode=EXCLUSIVE'); c.execute('BEGIN EXCLUSIVE')"),
        pytest.raises(StorageError, match="locked"),
    ):
        copy_database(source, aside)


def test_files_that_change_all_the_time_are_read_by_sqlite_or_not_at_all(
    tmp_path: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "theirs" / "x.db"
    make(source, "WAL")
    looks = iter(range(10_000))
    monkeypatch.setattr(snapshot, "_look", lambda _: [(next(looks), 0, 0)])  # never twice the same
    monkeypatch.setattr(snapshot, "PAUSE_S", 0.0)
    with pytest.raises(StorageError, match="cannot be copied"):
        copy_database(source, aside)
    with writer(source, "c.execute(\"INSERT INTO t VALUES (-1, 'new')\")"):
        assert rows_of(copy_database(source, aside)) == [(ROWS + 1, "new")]


@pytest.mark.parametrize("mode", ["DELETE", "PERSIST"])
def test_a_large_database_is_copied_without_a_lock(
    tmp_path: Path, aside: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    source = tmp_path / "theirs" / "x.db"
    make(source, mode)
    monkeypatch.setattr(snapshot, "SMALL", 0)
    monkeypatch.setattr(snapshot, "_backup", lambda *_: pytest.fail("a lock was taken"))
    before = picture(source.parent)
    assert rows_of(copy_database(source, aside)) == [(ROWS, "old")]
    assert picture(source.parent) == before


def test_a_file_that_changed_just_now_is_not_yet_trusted() -> None:
    now = time.time_ns()
    assert not snapshot._is_settled([(1, 1, now), None])
    assert snapshot._is_settled([(1, 1, now - 10 * snapshot.SETTLED_NS), None])


def test_a_damaged_or_unreadable_file_is_an_error(tmp_path: Path, aside: Path) -> None:
    source = tmp_path / "theirs" / "x.db"
    make(source, "DELETE")
    data = bytearray(source.read_bytes())
    data[100:4000] = b"\xa5" * 3900
    source.write_bytes(data)
    assert is_sqlite(source)
    with pytest.raises(StorageError, match="damaged"):
        copy_database(source, aside)
    with pytest.raises(StorageError):
        copy_database(tmp_path / "missing.db", aside)
