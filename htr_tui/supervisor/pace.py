"""How soon a trial is started again whose attempts come to nothing before any runner took them."""

from __future__ import annotations

from typing import Final

from htr_tui.journal.records import TrialRecord
from htr_tui.supervisor.ledger import StudyLedger

QUICK: Final = 3
"""So many starts may follow each other at once: a supervisor that dies at the wrong moment costs one."""
LONGEST_S: Final = 60.0


class StartPace:
    """Where no process can be made (a limit, a Python that was removed), attempts must not be made by the thousand."""

    def __init__(self, ledger: StudyLedger) -> None:
        self._ledger = ledger
        self._last: dict[int, float] = {}

    def began(self, trial: TrialRecord) -> None:
        """The trial is being started."""
        self._last[trial.number] = self._ledger.clock.monotonic()

    def reason(self, trial: TrialRecord) -> str | None:
        """Why the trial is not started again yet; None if it may be."""
        count = vain_starts(trial)
        if count < QUICK or trial.number not in self._last:
            return None
        pause = min(LONGEST_S, 2.0 ** (count - QUICK + 1))
        if self._ledger.clock.monotonic() - self._last[trial.number] >= pause:
            return None
        log = self._ledger.paths.attempt(trial.number, trial.attempts[-1].number).root / "runner.log"
        return (
            f"the runner of trial {trial.number} could not be started {count} times (see {log}, and the limit of processes); "
            "it is tried again and again"
        )


def vain_starts(trial: TrialRecord) -> int:
    """How many of the trial's last attempts no runner ever took."""
    count = 0
    for attempt in reversed(trial.attempts):
        if attempt.state != "lost" or attempt.category is not None:
            break
        count += 1
    return count
