"""Holds a SQLite file locked, from a process of its own: SQLite's state must not be carried over a fork."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path


class DatabaseLock:
    """BEGIN EXCLUSIVE until `release`."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self.pid = -1

    def acquire(self) -> bool:
        """False if somebody else holds it, or the file is no database."""
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._hold(write_end)
        os.close(write_end)
        is_held = os.read(read_end, 1) == b"1"
        os.close(read_end)
        if not is_held:
            self.release()
        return is_held

    def release(self) -> None:
        """Let go; the killed holder's transaction is rolled back."""
        if self.pid > 0:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = -1

    def _hold(self, write_end: int) -> None:
        try:
            signal.alarm(600)
            connection = sqlite3.connect(self._database, timeout=0.2, isolation_level=None)
            connection.execute("BEGIN EXCLUSIVE")
            os.write(write_end, b"1")
            signal.pause()
        except sqlite3.Error:
            pass
        finally:
            os._exit(0)
