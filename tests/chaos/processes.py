"""Who is who among the processes below us; we are their reaper, so nothing that is ours can hide."""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

from htr_tui.processes.identity import start_ticks
from htr_tui.processes.runner import PR_SET_CHILD_SUBREAPER, descendants

RUNNER, TRAINER, MIRROR = b"processes/runner.py", b"fakes/trainer.py", b"htr_tui.tracking.mirror"
SUPERVISOR = b"htr_tui.supervisor"


def become_reaper() -> None:
    """Orphans of everything below come to us, not to init."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(ours: set[int]) -> None:
    """Wait for ended children that nobody else of this process waits for."""
    for pid in descendants(os.getpid()):
        if pid not in ours and start_ticks(pid) is None:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue


@dataclass(slots=True)
class Census:
    """The living processes below us, by what they are."""

    runners: list[int] = field(default_factory=list)
    trainers: list[int] = field(default_factory=list)
    grandchildren: list[int] = field(default_factory=list)
    mirrors: list[int] = field(default_factory=list)
    supervisors: list[int] = field(default_factory=list)
    """Those that a command line started; forks look like ourselves, and their starter knows them."""
    others: list[int] = field(default_factory=list)
    """Forked supervisors, the panel, the fake MLflow server, and whatever we do not know."""


def census(base: Path) -> Census:
    """Take it now."""
    found = Census()
    everyone = [pid for pid in descendants(os.getpid()) if start_ticks(pid) is not None]
    runners = {pid for pid in everyone if RUNNER in _command(pid)}
    for pid in everyone:
        command = _command(pid)
        if pid in runners:
            found.runners.append(pid)
        elif MIRROR in command:
            found.mirrors.append(pid)
        elif SUPERVISOR in command:
            found.supervisors.append(pid)
        elif TRAINER in command and str(base).encode() in command:
            is_first = os.getsid(pid) == pid if _exists(pid) else False
            (found.trainers if is_first else found.grandchildren).append(pid)
        else:
            found.others.append(pid)
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _exists(pid: int) -> bool:
    try:
        os.getsid(pid)
    except ProcessLookupError:
        return False
    return True


def send(pid: int, number: int) -> bool:
    """Signal a process of ours; False if it was quicker."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def end_all() -> list[int]:
    """KILL every process below us until none is left; who they were."""
    killed: set[int] = set()
    while living := [pid for pid in descendants(os.getpid()) if start_ticks(pid) is not None]:
        for pid in living:
            killed.add(pid)
            send(pid, signal.SIGKILL)
        reap_orphans(set())
    reap_orphans(set())
    return sorted(killed)
