"""One round: chaos, then calm until the study is finished, then the questions."""

from __future__ import annotations

import errno
import os
import signal
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from htr_tui.journal.commands import send_command
from htr_tui.tracking.state import tracking_status
from tests.chaos.checks import broken_promises
from tests.chaos.plan import Round, Strike
from tests.chaos.processes import send
from tests.chaos.stage import Stage, set_stage
from tests.chaos.strikes import STRIKES

CALM_S = 150.0
"""How long a study may take to its end once nobody disturbs it any more."""
CHAOS_S = 60.0
POLL_S = 0.03


@dataclass(slots=True)
class Outcome:
    """What a round was and came to."""

    seed: int
    broken: list[str] = field(default_factory=list)
    """Promises that were not kept; empty for a good round."""
    told: list[str] = field(default_factory=list)
    strikes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu_s: float = 0.0
    trials: int = 0
    attempts: int = 0
    supervisors: int = 0
    stop_now_s: float = 0.0
    """The longest `stop --now`."""
    lost: int = 0
    failed: int = 0
    folder: str | None = None
    """Kept where something broke."""
    plan: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {**asdict(replace(self, strikes=Counter())), "strikes": dict(self.strikes)}


def run_round(plan: Round, root: Path, template: Path | None) -> Outcome:
    """All of it; nothing is left behind but the folder of a round that failed."""
    outcome = Outcome(plan.seed, plan=str(plan))
    began, cpu = time.monotonic(), _cpu_s()
    stage = set_stage(plan, root, template)
    try:
        _play(stage)
        _calm_down(stage)
        outcome.broken = broken_promises(stage)
        _count(stage, outcome)
    except Exception:
        outcome.broken.append(traceback.format_exc())
    finally:
        stage.close(keep=bool(outcome.broken))
    outcome.folder = str(stage.base) if outcome.broken else None
    outcome.told, outcome.strikes = stage.told, stage.done
    outcome.seconds, outcome.cpu_s = time.monotonic() - began, _cpu_s() - cpu
    return outcome


def _play(stage: Stage) -> None:
    """The strikes at their times, over a study that is kept going."""
    waiting = list(stage.plan.strikes)
    end = time.monotonic() + CHAOS_S
    while waiting and time.monotonic() < end:
        stage.keep_supervised()
        stage.do_due()
        if stage.is_finished():
            stage.tell(f"finished before {', '.join(strike.kind for strike in waiting)}")
            return
        if time.monotonic() - stage.started >= waiting[0].at:
            strike = waiting.pop(0)
            told = _strike(stage, strike)
            stage.tell(f"{strike.kind}: {told or 'nobody there'}")
            if told:
                stage.done[strike.kind] += 1
        time.sleep(POLL_S)


def _strike(stage: Stage, strike: Strike) -> str | None:
    try:
        return STRIKES[strike.kind][0](stage, Random(strike.seed))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return None


def _calm_down(stage: Stage) -> None:
    """Undo what lasts, let the study finish, start it once more as a person would, wait for the mirror."""
    stage.do_due(everything=True)
    stage.deaths_left = 0
    stage.tell("calm")
    if stage.done["send_pause"]:
        _continue(stage)
    _wait(stage, stage.is_finished, "the study to finish")
    if left := [trial.number for trial in stage.fold().in_state("stopped")]:
        raise RuntimeError(f"the study says that it is finished, and trials {left} are stopped")
    stage.start_supervisor()
    _wait(stage, stage.is_finished, "one more start to repair what is left")
    panel = stage.panel
    if panel is not None and panel.process.poll() is None:
        panel.press("q")
        _wait(stage, lambda: panel.process.poll() is not None, "the panel to quit")
    if stage.plan.tracking == "sqlite":
        _wait(stage, lambda: tracking_status(stage.paths).drained and not stage.census().mirrors, "the mirror")
    elif stage.plan.tracking == "http":
        for pid in stage.census().mirrors:
            send(pid, signal.SIGTERM)
        _wait(stage, lambda: not stage.census().mirrors, "the mirror of a dead server to stop when asked")
    _wait(stage, lambda: not _living(stage), "processes to end")


def _continue(stage: Stage) -> None:
    """A full disk refuses a command, and a removed folder or a cut journal forgets it: a person would send it again."""
    send_command(stage.paths, "continue")
    stage.tell("command continue")


def _living(stage: Stage) -> list[int]:
    found = stage.census()
    return [*found.runners, *found.trainers, *found.grandchildren]


def _wait(stage: Stage, condition: Any, what: str) -> None:
    end = time.monotonic() + CALM_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {CALM_S:.0f} s for {what}")
        stage.keep_supervised()
        time.sleep(POLL_S)


def _count(stage: Stage, outcome: Outcome) -> None:
    fold = stage.fold()
    attempts = [a for t in fold.trials.values() for a in t.attempts]
    outcome.trials, outcome.attempts = len(fold.trials), len(attempts)
    outcome.lost = sum(a.state == "lost" for a in attempts)
    outcome.failed = fold.counts["failed"]
    outcome.stop_now_s = max(stage.stop_seconds, default=0.0)
    outcome.supervisors = len(stage.launcher.launched)


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
