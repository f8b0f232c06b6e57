"""The local executor: attempts as processes of this machine, each under a runner of its own."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from htr_tui.files import read_json, read_json_surely, write_json
from htr_tui.journal.paths import AttemptPaths
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.runner import descendants
from htr_tui.processes.sweep import FOLDER, TOKEN, end_marked, processes_with_token

RUNNER = Path(__file__).resolve().parent.parent / "processes" / "runner.py"

NOW_DEADLINE_S = 10.0
"""A runner takes 5 s for `stop --now`, and a little for the sweep; later than this it is stuck."""

START_S = 120.0
"""A runner takes its attempt within a moment; one that did not in so long is stopped or hangs, and another one is made."""

Phase = Literal["starting", "running", "ended", "lost"]


@dataclass(frozen=True, slots=True)
class AttemptPhase:
    """What the executor sees of an attempt."""

    phase: Phase
    exit: dict[str, Any] | None = None
    """exit.json, once ended."""
    never_started: bool = False
    """With `lost`: no runner ever claimed the attempt."""


class LocalExecutor:
    """Starts, watches and stops attempts by their folders; holds nothing that cannot be read again from them."""

    def __init__(self) -> None:
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        self._handles: dict[Path, int] = {}
        self._deadlines: dict[Path, float] = {}
        """When a runner that was asked to end now is ended for it."""
        self._begun: dict[Path, float] = {}

    def start(self, attempt: AttemptPaths, *, keep_open: tuple[int, ...] = ()) -> None:
        """Start the runner of an attempt whose command.json is written.

        It inherits the descriptors of `keep_open` (claims on devices) and keeps them from the trainer.
        """
        self._begun[attempt.root] = time.monotonic()
        with open(attempt.root / "runner.log", "ab") as log:
            self._children[attempt.root] = subprocess.Popen(
                [sys.executable, "-I", "-S", str(RUNNER), str(attempt.root)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                pass_fds=keep_open,
            )

    def poll(self, attempt: AttemptPaths) -> AttemptPhase:
        """Where the attempt is now. `lost`: its runner is gone without a word; what it left behind is ended.

        An end in a folder that was removed and made again is `lost`, too: what was measured is gone with the old one.
        OSError where its files cannot be read just now: nothing is ended on a guess.
        """
        child = self._children.get(attempt.root)
        child_ended = child is None or child.poll() is not None
        identity = ProcessIdentity.from_json(read_json_surely(attempt.runner))
        if identity is not None and identity.is_alive():
            if time.monotonic() < self._deadlines.get(attempt.root, math.inf):
                return AttemptPhase("running")
            identity.send(signal.SIGKILL)  # it was to end now, and did not
            self._end_rest(attempt)
            return AttemptPhase("running")
        is_removed = not attempt.command.exists()
        if (exit_record := read_json_surely(attempt.exit)) is not None and not is_removed:
            self._forget(attempt)
            return AttemptPhase("ended", exit_record)
        hangs = time.monotonic() - self._begun.get(attempt.root, math.inf) > START_S
        if not child_ended and not is_removed and not hangs:
            return AttemptPhase("starting")
        if identity is None and not is_removed and self._give_up(attempt):
            return AttemptPhase("starting")
        if child is not None and child.poll() is None:
            _kill(child)
        self._end_rest(attempt)
        self._forget(attempt)
        return AttemptPhase("lost", never_started=identity is None and not is_removed)

    def stop(self, attempt: AttemptPaths, *, now: bool) -> None:
        """Ask the runner to stop the trainer, with its grace time or at once.

        One that has not taken its attempt yet is not waited for with `now`: the attempt is given up.
        """
        identity = ProcessIdentity.from_json(read_json(attempt.runner))
        if identity is None and now:
            self._begun[attempt.root] = -math.inf
        if identity is None:
            return
        identity.send(signal.SIGUSR1 if now else signal.SIGTERM)
        identity.send(signal.SIGCONT)  # a runner that somebody stopped would never hear of it
        if now:
            self._deadlines.setdefault(attempt.root, time.monotonic() + NOW_DEADLINE_S)

    def wait_handles(self, attempts: list[AttemptPaths]) -> list[int]:
        """File descriptors that become readable when a runner ends (pidfds), for `select`."""
        wanted = {attempt.root for attempt in attempts}
        for root in [root for root in self._handles if root not in wanted]:
            os.close(self._handles.pop(root))
        for attempt in attempts:
            if attempt.root in self._handles:
                continue
            child = self._children.get(attempt.root)
            identity = ProcessIdentity.from_json(read_json(attempt.runner))
            pid = (
                child.pid
                if child is not None
                else identity.pid
                if identity is not None and identity.is_alive()
                else None
            )
            if pid is None:
                continue
            try:
                self._handles[attempt.root] = os.pidfd_open(pid)
            except OSError:
                continue
        return list(self._handles.values())

    def process_ids(self, attempt: AttemptPaths) -> set[int]:
        """Pids of the attempt's processes, for matching with what a GPU reports."""
        identity = ProcessIdentity.from_json(read_json(attempt.runner))
        if identity is not None and identity.is_alive():
            return set(descendants(identity.pid))  # the runner adopts whatever is orphaned below it
        token = _token(attempt)
        return set(processes_with_token(token)) if token else set()

    def _give_up(self, attempt: AttemptPaths) -> bool:
        """Claim an attempt that no runner claimed, so that a late one ends by itself; True if one was quicker."""
        try:
            attempt.root.mkdir(parents=True, exist_ok=True)
            temporary = attempt.root / f".given-up.{os.getpid()}.tmp"
            write_json(temporary, {"given_up": True})
            os.link(temporary, attempt.runner)
        except FileExistsError:
            return ProcessIdentity.from_json(read_json(attempt.runner)) is not None
        except OSError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return False

    def _end_rest(self, attempt: AttemptPaths) -> None:
        marks = [f"{FOLDER}={attempt.root}"]
        token = _token(attempt)
        end_marked([*marks, f"{TOKEN}={token}"] if token else marks)

    def _forget(self, attempt: AttemptPaths) -> None:
        self._children.pop(attempt.root, None)
        self._deadlines.pop(attempt.root, None)
        self._begun.pop(attempt.root, None)
        handle = self._handles.pop(attempt.root, None)
        if handle is not None:
            os.close(handle)


def _kill(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    try:
        child.wait(1.0)
    except subprocess.TimeoutExpired:
        pass  # it hangs in the kernel, and dies when that lets it go


def _token(attempt: AttemptPaths) -> str | None:
    """What marks the attempt's processes; None where command.json is not as we wrote it."""
    env = (read_json(attempt.command) or {}).get("env")
    token = env.get(TOKEN) if isinstance(env, dict) else None
    return token if isinstance(token, str) else None
