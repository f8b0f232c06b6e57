"""The end of processes that lost their runner: found by the token in their environment."""

from __future__ import annotations

import os
import signal
import time

TOKEN = "HTR_TUI_TOKEN"
"""Environment variable that marks every process of an attempt."""


def processes_with_token(token: str) -> list[int]:
    """Living processes of this user that carry the token."""
    wanted = f"{TOKEN}={token}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue
        if wanted in environment.split(b"\0"):
            found.append(int(name))
    return found


def kill_token(token: str, *, rounds: int = 100) -> int:
    """KILL everything that carries the token until two scans find nothing; returns how many there were."""
    killed: set[int] = set()
    quiet = 0
    for _ in range(rounds):
        pids = processes_with_token(token)
        quiet = quiet + 1 if not pids else 0
        if quiet == 2:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            except (ProcessLookupError, PermissionError):
                pass
        time.sleep(0.02)
    return len(killed)
