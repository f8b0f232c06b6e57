"""Starts supervisors as forks of a process that has everything imported: real processes, a tenth of a second each."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_tui.errors import BusyError, HtrError
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.identity import start_ticks
from htr_tui.study.loading import load_study
from htr_tui.supervisor.ledger import StudyLedger
from htr_tui.supervisor.loop import Supervisor

BUSY, REFUSED_BY_DISK = 75, 76
"""Exit statuses of a forked supervisor beside 0 (done) and 1 (it broke)."""


class FileClock:
    """The machine's clock moved by the seconds that a file holds; the steady clock is left alone."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def time(self) -> float:
        """Unix seconds, wrong by as much as the file says."""
        try:
            return time.time() + float(self._file.read_text())
        except (OSError, ValueError):
            return time.time()

    def monotonic(self) -> float:
        """Steady seconds."""
        return time.monotonic()


@dataclass(slots=True)
class Death:
    """A supervisor kills itself around its N-th record."""

    at: int
    side: str
    """before or after."""


def mortal_ledger(death: Death) -> type[StudyLedger]:
    """A ledger with which its process dies around the N-th record."""

    class MortalLedger(StudyLedger):
        written = 0

        def record(self, event: str, *, follow_up: dict[str, Any] | None = None, **fields: Any) -> None:
            """Write it, or die."""
            self.written += 1
            if self.written == death.at and death.side == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            super().record(event, follow_up=follow_up, **fields)
            if self.written == death.at:
                os.kill(os.getpid(), signal.SIGKILL)

    return MortalLedger


@dataclass(slots=True)
class Launched:
    """A supervisor that we started."""

    pid: int
    status: int | None = None
    """Exit code, or minus the signal, once it ended."""


class Launcher:
    """All supervisors of a round; a wrong end of any of them is a finding."""

    def __init__(self, paths: StudyPaths, base: Path, clock: Path, *, real: bool) -> None:
        self._paths = paths
        self._base = base
        self._clock = clock
        self._real = real
        self.launched: list[Launched] = []

    def start(self, death: Death | None = None) -> Launched:
        """One more supervisor."""
        pid = self._start_real() if self._real and death is None else self._fork(death)
        made = Launched(pid)
        self.launched.append(made)
        return made

    def poll(self) -> None:
        """Reap what ended."""
        for item in self.launched:
            if item.status is None:
                try:
                    pid, status = os.waitpid(item.pid, os.WNOHANG)
                except ChildProcessError:  # ended at the round's end
                    pid, status = item.pid, signal.SIGKILL
                if pid:
                    item.status = os.waitstatus_to_exitcode(status)

    def living(self) -> list[int]:
        """Pids of supervisors that run or are stopped."""
        self.poll()
        return [item.pid for item in self.launched if item.status is None and start_ticks(item.pid) is not None]

    def _start_real(self) -> int:
        command = [sys.executable, "-m", "htr_tui.supervisor", str(self._paths.root), "--base", str(self._base)]
        with open(self._paths.supervisor_log, "ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        child.returncode = 0  # we wait for it ourselves
        return child.pid

    def _fork(self, death: Death | None) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _be_supervisor(lambda: self._supervise(death), self._paths.supervisor_log)
        return pid

    def _supervise(self, death: Death | None) -> None:
        spec = load_study(self._paths.study_file)
        ledger = StudyLedger if death is None else mortal_ledger(death)
        Supervisor(self._paths, spec, self._base, clock=FileClock(self._clock), make_ledger=ledger).run()


def _be_supervisor(supervise: Callable[[], None], log: Path) -> None:
    """In the fork: a session, a log and a fate of its own."""
    status = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError:
            out = null
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.closerange(3, 4096)
        try:
            supervise()
            status = 0
        except BusyError as error:
            status = BUSY
            print(error, file=sys.stderr, flush=True)
        except (OSError, HtrError) as error:
            is_full = getattr(error, "errno", None) == errno.ENOSPC or "No space" in str(error)
            status = REFUSED_BY_DISK if is_full else 1
            traceback.print_exc()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)
