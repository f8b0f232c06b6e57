"""The mirror's process: `python -m htr_tui.tracking.mirror STUDY_FOLDER`.

It lives beside the study and nothing waits for it: a tracking store that is slow, dead or broken costs a training
nothing. It goes on after the supervisor's end until everything is told, and gives up an hour after that.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from urllib.parse import unquote

from htr_tui.files import read_json
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.presence import read_presence
from htr_tui.tracking.client import MlflowStore, StoreFailure, TrackingStore, prepare_environment
from htr_tui.tracking.read_back import ReadBack, ReadOptions
from htr_tui.tracking.sync import StudyMirror

POLL_S = 1.0
MAX_BACKOFF_S = 60.0
GIVE_UP_S = 3600.0
"""How long a store that does not answer is tried after the study's end."""
LOCK_WAIT_S = 10.0
"""A mirror of the same study that is about to end is waited for."""


class Phase(Enum):
    """Who is at work on the study."""

    RUNNING = "running"
    ENDED = "ended"
    """The supervisor said that it ended, and no runner is left."""
    INTERRUPTED = "interrupted"
    """The supervisor vanished, and no runner is left."""


def phase_of(paths: StudyPaths, fold: StudyFold, *, is_supervised: bool) -> Phase:
    """The study's phase by the journal, where `is_supervised` was looked up before the journal was read."""
    if fold.ended_reason is None and is_supervised:
        return Phase.RUNNING
    if any(_has_runner(paths, fold, trial.number) for trial in fold.in_state("running")):
        return Phase.RUNNING
    return Phase.INTERRUPTED if fold.ended_reason is None else Phase.ENDED


def _has_runner(paths: StudyPaths, fold: StudyFold, number: int) -> bool:
    last = fold.trials[number].last_attempt
    if last is None or last.state != "running":
        return False
    identity = ProcessIdentity.from_json(read_json(paths.attempt(number, last.number).runner))
    return identity is not None and identity.is_alive()


class MirrorProcess:
    """Rounds of mirroring with back-off, until the study is over and told."""

    def __init__(self, paths: StudyPaths, ahead: int, read_options: ReadOptions | None = None) -> None:
        self._paths = paths
        self._stop = threading.Event()
        read_back = None if read_options is None else ReadBack(paths, read_options)
        self._mirror = StudyMirror(
            paths, self._open_store, ahead=ahead, should_stop=self._stop.is_set, read_back=read_back
        )
        self._store: TrackingStore | None = None
        self._failures = 0
        self._over_since: float | None = None

    def stop(self, *_: object) -> None:
        """End soon; what is not told waits for the next mirror."""
        self._stop.set()

    def run(self) -> int:
        """Until everything is told (0), or nothing could be for too long (1)."""
        while not self._stop.is_set():
            presence = read_presence(self._paths.supervisor)
            self._mirror.follower.refresh()
            fold = self._mirror.follower.fold
            phase = phase_of(self._paths, fold, is_supervised=presence is not None and presence.alive)
            if fold.facts.study and fold.facts.tracking_uri is None:
                return 0
            is_drained = bool(fold.facts.study) and self._try(phase)
            if phase is Phase.RUNNING:
                self._over_since = None
            elif is_drained or not fold.facts.study:
                return 0
            else:
                self._over_since = self._over_since or time.monotonic()
                if self._failures and time.monotonic() - self._over_since > GIVE_UP_S:
                    _say("giving up; the tracking store did not answer for an hour after the study's end")
                    return 1
            self._stop.wait(POLL_S if not self._failures else min(MAX_BACKOFF_S, 2.0 ** (self._failures - 1)))
        return 0

    def _try(self, phase: Phase) -> bool:
        """One round; True if the study is over and told. Failures are written down, said once and tried again."""
        try:
            is_drained = self._mirror.sync(interrupted=phase is not Phase.RUNNING)
        except (StoreFailure, OSError) as error:
            self._failures += 1
            if self._failures == 1:
                _say(f"cannot tell the tracking store, trying again: {error}")
            with suppress(OSError):  # a full disk: then nobody reads it
                self._mirror.tell_error(error)
            return False
        if self._failures:
            _say("the tracking store answers again")
        self._failures = 0
        return is_drained

    def _open_store(self) -> TrackingStore:
        if self._store is None:
            uri = self._mirror.follower.fold.facts.tracking_uri or ""
            _enter_artifact_root(uri, self._paths.root.parent)
            self._store = MlflowStore(uri)
        return self._store


def _enter_artifact_root(uri: str, runs: Path) -> None:
    """MLflow puts artifacts of a local database below the working directory: be where the database is."""
    folder = runs
    if uri.startswith("sqlite:///"):
        folder = Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0])).parent
        folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)


def _say(message: str) -> None:
    """A line in `supervisor.log`, which is our stderr."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    with suppress(OSError):
        print(f"{stamp} mirror: {message}", file=sys.stderr, flush=True)  # noqa: T201


def _lock(path: Path) -> int | None:
    """The lock of the one mirror of a study; None if another one keeps it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                os.close(fd)
                return None
            time.sleep(0.2)
        else:
            return fd


def main(argv: Sequence[str] | None = None) -> int:
    """Mirror one study."""
    parser = argparse.ArgumentParser(prog="python -m htr_tui.tracking.mirror", description="Mirror a study to MLflow.")
    parser.add_argument("study", type=Path, help="the study's folder")
    parser.add_argument("--ahead", type=int, default=0, help="runs to make before their trials start")
    parser.add_argument("--read-metrics", type=ReadOptions.from_json, metavar="JSON", help="read the runs' metrics")
    options = parser.parse_args(argv)
    paths = StudyPaths(options.study.resolve())
    if not paths.root.is_dir():
        parser.error(f"{paths.root} is no folder")
    prepare_environment()
    if _lock(paths.root / "tracking.lock") is None:
        return 0
    process = MirrorProcess(paths, max(0, options.ahead), options.read_metrics)
    signal.signal(signal.SIGTERM, process.stop)
    signal.signal(signal.SIGINT, process.stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return process.run()


if __name__ == "__main__":
    sys.exit(main())
