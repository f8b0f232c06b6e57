"""Who a process is: pid, start ticks and boot id together; a pid alone may be someone else's tomorrow."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import Any


def boot_id() -> str:
    """The kernel's id of this boot."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """Clock ticks since boot at which `pid` started; None if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that can be told from every other one."""

    pid: int
    ticks: int
    boot: str
    host: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The identity of a living process of this machine."""
        ticks = start_ticks(pid)
        return None if ticks is None else cls(pid, ticks, boot_id(), socket.gethostname())

    @classmethod
    def current(cls) -> ProcessIdentity:
        """This process."""
        identity = cls.of(os.getpid())
        assert identity is not None
        return identity

    @classmethod
    def from_json(cls, record: dict[str, Any] | None) -> ProcessIdentity | None:
        """The identity written by `as_json`; None where it is incomplete."""
        try:
            return (
                cls(int(record["pid"]), int(record["ticks"]), str(record["boot"]), str(record["host"]))
                if record
                else None
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {"pid": self.pid, "ticks": self.ticks, "boot": self.boot, "host": self.host}

    def is_here(self) -> bool:
        """Whether it belongs to this machine and boot, so that `is_alive` can tell."""
        return self.host == socket.gethostname() and self.boot == boot_id()

    def is_alive(self) -> bool:
        """Whether it still runs; False for one of another machine or boot."""
        return self.is_here() and start_ticks(self.pid) == self.ticks

    def send(self, signal: int) -> bool:
        """Signal it, and never a stranger; False if it is gone or not ours to signal.

        OSError where the system has no room for the attempt: it may live, and was not told.
        """
        if not self.is_here():
            return False
        try:
            handle = os.pidfd_open(self.pid)
        except OverflowError:
            return False
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
            return False
        try:
            import signal as signals

            if start_ticks(self.pid) != self.ticks:
                return False
            signals.pidfd_send_signal(handle, signal)
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            os.close(handle)
        return True
