"""Attempts without processes: they go on while supervisors come and go, and a test says how each of them ends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from htr_tui.executors.local import AttemptPhase
from htr_tui.files import dump_line, read_json
from htr_tui.journal.paths import AttemptPaths
from htr_tui.processes.identity import ProcessIdentity

Fate = Literal["complete", "crash", "lost", "preempted", "never_started"]


@dataclass(slots=True)
class FakeAttempt:
    """One attempt's process, if there were one."""

    paths: AttemptPaths
    fate: Fate
    epochs: int
    epoch: int = 0
    stop: str | None = None
    is_over: bool = False


@dataclass(slots=True)
class AttemptsWorld:
    """What a machine is to a study: it outlives every supervisor."""

    fate_of: Callable[[int, int], Fate]
    """By trial and attempt."""
    epochs: int = 2
    attempts: dict[Path, FakeAttempt] = field(default_factory=dict)
    starts: Counter[Path] = field(default_factory=Counter)
    given_up: set[Path] = field(default_factory=set)

    def advance(self) -> None:
        """A little time goes by: every living attempt does an epoch, or ends."""
        for attempt in self.attempts.values():
            if not attempt.is_over:
                self._advance(attempt)

    def _advance(self, attempt: FakeAttempt) -> None:
        if attempt.stop is not None:
            self._emit(attempt, kind="end", status="stopped")
            return self._exit(attempt, 143)
        if attempt.epoch == attempt.epochs:
            self._emit(attempt, kind="end", status="complete")
            return self._exit(attempt, 0)
        if attempt.epoch == 1 and attempt.fate != "complete":
            if attempt.fate == "lost":
                attempt.is_over = True
                return None
            return self._exit(attempt, 1 if attempt.fate == "crash" else 143)
        attempt.epoch += 1
        params = (read_json(attempt.paths.command) or {})["trial"]["params"]
        self._emit(attempt, kind="metrics", epoch=attempt.epoch, values={"score": score(params, attempt.epoch)})
        return None

    def _emit(self, attempt: FakeAttempt, **event: Any) -> None:
        with open(attempt.paths.events, "ab") as file:
            file.write(dump_line({"t": 1.0, **event}))

    def _exit(self, attempt: FakeAttempt, status: int) -> None:
        record = {"exit_code": status, "signal": None, "start": 1.0, "end": 2.0, "stop_requested": attempt.stop}
        attempt.paths.exit.write_text(json.dumps(record))
        attempt.is_over = True


def score(params: dict[str, Any], epoch: int) -> float:
    """What a trial is worth at an epoch."""
    return round(float(params["x"]) * 10 + epoch, 9)


class FakeExecutor:
    """`Executor` of such a world."""

    def __init__(self, world: AttemptsWorld) -> None:
        self._world = world

    def start(self, attempt: AttemptPaths, *, keep_open: tuple[int, ...] = ()) -> None:
        """Begin; an attempt that was given up does not."""
        self._world.starts[attempt.root] += 1
        trial, number = int(attempt.root.parent.name), int(attempt.root.name.partition("-")[2])
        fate = self._world.fate_of(trial, number)
        if fate == "never_started" or attempt.root in self._world.given_up:
            return
        attempt.runner.write_text(json.dumps(ProcessIdentity.current().as_json()))
        self._world.attempts[attempt.root] = FakeAttempt(attempt, fate, self._world.epochs)

    def poll(self, attempt: AttemptPaths) -> AttemptPhase:
        """As the local executor tells it."""
        known = self._world.attempts.get(attempt.root)
        if known is None:
            self._world.given_up.add(attempt.root)
            return AttemptPhase("lost", never_started=True)
        if not known.is_over:
            return AttemptPhase("running")
        record = read_json(attempt.exit)
        return AttemptPhase("lost") if record is None else AttemptPhase("ended", record)

    def stop(self, attempt: AttemptPaths, *, now: bool) -> None:
        """It ends at the next moment."""
        known = self._world.attempts.get(attempt.root)
        if known is not None:
            known.stop = "now" if now else known.stop or "stop"

    def wait_handles(self, attempts: list[AttemptPaths]) -> list[int]:
        """Nothing to wait for."""
        return []

    def process_ids(self, attempt: AttemptPaths) -> set[int]:
        """No processes."""
        return set()
