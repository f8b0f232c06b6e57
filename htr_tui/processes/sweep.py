"""The end of processes that lost their runner: found by what marks them in their environment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

TOKEN = "HTR_TUI_TOKEN"
"""Environment variable that marks every process of an attempt."""
FOLDER = "HTR_TUI_TRIAL_DIR"
"""Marks them too: the attempt's folder, for the case that nothing of the folder is left to read the token from."""


def marked_processes(marks: Iterable[str]) -> dict[int, str]:
    """Living processes that we may look into and that carry one of the marks ("NAME=value"), by pid."""
    wanted = {mark.encode() for mark in marks}
    found: dict[int, str] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid() and (mark := _mark_of(int(name), wanted)) is not None:
            found[int(name)] = mark.decode()
    return found


def processes_with_token(token: str) -> list[int]:
    """Living processes of this user that carry the token."""
    return list(marked_processes([f"{TOKEN}={token}"]))


def end_marked(marks: Iterable[str], *, rounds: int = 100) -> int:
    """KILL everything that carries a mark, and its kin, until two looks find nothing; returns how many there were.

    Kin: what shares a session with a marked process or descends from one, though it cleaned its environment.
    """
    marks = list(marks)
    wanted = {mark.encode() for mark in marks}
    killed: set[int] = set()
    quiet = 0
    for _ in range(rounds):
        marked = marked_processes(marks)
        if not marked:
            quiet += 1
            if quiet == 2:
                break
            time.sleep(0.02)
            continue
        quiet = 0
        _freeze(marks)
        marked = marked_processes(marks)
        kin = _kin(set(marked))
        killed |= {pid for pid in kin if _send(pid, signal.SIGKILL)}
        killed |= {pid for pid in marked if _send(pid, signal.SIGKILL, wanted)}
        time.sleep(0.02)
    return len(killed)


def kill_token(token: str) -> int:
    """KILL everything that carries the token; returns how many there were."""
    return end_marked([f"{TOKEN}={token}"])


def _freeze(marks: list[str], rounds: int = 20) -> None:
    """Stop them all first: what is stopped can neither fork nor clean up after itself."""
    frozen: set[int] = set()
    wanted = {mark.encode() for mark in marks}
    for _ in range(rounds):
        fresh = [pid for pid in marked_processes(marks) if pid not in frozen and _send(pid, signal.SIGSTOP, wanted)]
        frozen.update(fresh)
        if not fresh:
            return


def _mark_of(pid: int, wanted: set[bytes]) -> bytes | None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    return next(iter(wanted.intersection(environment.split(b"\0"))), None)


def _kin(marked: set[int]) -> set[int]:
    """Unmarked processes in the sessions of the marked ones, and below them."""
    parents: dict[int, int] = {}
    sessions: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            parents[int(name)], sessions[int(name)] = int(fields[1]), int(fields[3])
    of_marked = {sessions[pid] for pid in marked if pid in sessions} - {os.getsid(0)}
    ours = {session for session in of_marked if session in marked or session not in sessions}  # led by one of them
    found = {pid for pid, session in sessions.items() if session in ours}
    grown = True
    while grown:
        below = {pid for pid, parent in parents.items() if parent in (found | marked)} - found - marked
        found |= below
        grown = bool(below)
    return found - marked - {os.getpid()}


def _stat(pid: int) -> list[bytes]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []
    return fields if len(fields) > 4 and fields[0] != b"Z" else []


def _send(pid: int, number: int, wanted: set[bytes] | None = None) -> bool:
    """Signal it; with `wanted` only if it still carries a mark, so that a stranger with its number is left alone."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if wanted is not None and _mark_of(pid, wanted) is None:
            return False
        signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)
    return True
