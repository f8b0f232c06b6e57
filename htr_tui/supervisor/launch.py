"""Start a study's supervisor as a process of its own, and wait until it is really there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from htr_tui.errors import BusyError, HtrError, StorageError
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.presence import Presence, read_presence

START_DEADLINE_S = 600.0
"""A supervisor that repairs Optuna's storage from a long journal takes its time; a dead one is noticed at once."""
POLL_S = 0.05


def supervisor_presence(paths: StudyPaths) -> Presence | None:
    """The study's supervisor, alive or not; None if it never had one."""
    return read_presence(paths.supervisor)


def refuse_if_supervised(paths: StudyPaths) -> None:
    """BusyError naming host and pid if somebody supervises the study."""
    presence = supervisor_presence(paths)
    if presence is not None and presence.alive:
        raise BusyError(
            f"study {paths.root.name} is already supervised by pid {presence.pid} on {presence.host}",
            "",
            "look with `htr-tui status`; stop it with `htr-tui stop` first",
        )


def launch_supervisor(paths: StudyPaths, base: Path) -> Presence:
    """Start the detached supervisor; HtrError with the end of its log if it dies at once."""
    try:
        child, start = _start(paths, base)
    except OSError as error:
        raise StorageError(
            f"the supervisor of {paths.root.name} cannot be started", str(error), "check permissions and free space"
        ) from error
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        status = child.poll()
        presence = supervisor_presence(paths)
        if presence is not None and presence.pid == child.pid and (presence.alive or status == 0):
            return presence
        if status is not None:
            break
        time.sleep(POLL_S)
    with open(paths.supervisor_log, "rb") as log:
        log.seek(start)
        tail = log.read()[-2000:].decode("utf-8", "replace")
    raise HtrError(f"the supervisor of {paths.root.name} did not start", tail.strip(), f"see {paths.supervisor_log}")


def _start(paths: StudyPaths, base: Path) -> tuple[subprocess.Popen[bytes], int]:
    """(the process, where its part of the log begins)."""
    with open(paths.supervisor_log, "ab") as log:
        start = log.tell()
        child = subprocess.Popen(
            [sys.executable, "-m", "htr_tui.supervisor", str(paths.root), "--base", str(base)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    return child, start
