"""A real pseudo-terminal with a screen (pyte) on the other side of it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte


class Terminal:
    """Runs a command in a terminal of `columns` x `rows`; read what it shows, press keys, close the line."""

    def __init__(
        self,
        argv: list[str],
        columns: int = 120,
        rows: int = 40,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        os.close(slave)
        self.received = b""

    def text(self) -> str:
        """The screen as lines."""
        return "\n".join(self.screen.display)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def wait_for(self, condition: Callable[[str], bool], what: str, deadline_s: float = 60) -> str:
        """Play the terminal until the screen fulfils the condition."""
        end = time.monotonic() + deadline_s
        while not condition(self.text()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline_s} s: {what}\n{self.text()}")
            if not self._pump(0.1) and self.process.poll() is not None:
                raise AssertionError(f"the program ended ({self.process.returncode}) before: {what}\n{self.text()}")
        return self.text()

    def see(self, *words: str, deadline_s: float = 60) -> str:
        """Wait until all the words are on the screen."""
        return self.wait_for(lambda text: all(w in text for w in words), f"see {words}", deadline_s)

    def wait_until_ended(self, deadline_s: float = 30) -> int:
        """Play on until the program ends; its exit status."""
        end = time.monotonic() + deadline_s
        while self.process.poll() is None and time.monotonic() < end:
            self._pump(0.05)
        assert self.process.poll() is not None, f"still running\n{self.text()}"
        return self.process.returncode

    def hang_up(self) -> None:
        """Close the line as a lost SSH connection does."""
        os.close(self._master)
        self._master = -1
        try:
            os.killpg(self.process.pid, signal.SIGHUP)
        except ProcessLookupError:
            pass
        self.process.wait(30)

    def listen(self) -> None:
        """Take what came meanwhile, so that the program need not wait for us."""
        while self._master >= 0 and self._pump(0):
            continue

    def close(self) -> None:
        """End whatever still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _pump(self, timeout: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], timeout)
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.received += data
        self._stream.feed(data)
        return bool(data)
