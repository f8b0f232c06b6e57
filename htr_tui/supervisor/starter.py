"""New attempts: which trial is next, whether the study may start it now, and the start itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from htr_tui.journal.records import AttemptRequest, TrialRecord
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor import decide
from htr_tui.supervisor.admission import Admission, Placement, Waiting
from htr_tui.supervisor.collecting import ready_reason
from htr_tui.supervisor.executor import Executor
from htr_tui.supervisor.launch_files import LaunchFiles
from htr_tui.supervisor.ledger import StudyLedger
from htr_tui.supervisor.memory import SearchMemory
from htr_tui.supervisor.pace import StartPace
from htr_tui.supervisor.prepare import checkpointed_attempt, trainer_environment, write_attempt
from htr_tui.supervisor.recover import claimed_start
from htr_tui.tracking.state import run_id_of

KEEP_S = 60.0
"""How long a study keeps its devices from lower priorities while its next trial waits for something else."""


class Starter:
    """Starts what may start; says in the journal what the next start waits for."""

    def __init__(
        self,
        spec: StudySpec,
        base: Path,
        ledger: StudyLedger,
        executor: Executor,
        memory: SearchMemory,
        admission: Admission,
    ) -> None:
        self._spec = spec
        self._base = base
        self._ledger = ledger
        self._paths = ledger.paths
        self._executor = executor
        self._memory = memory
        self._admission = admission
        self._files = LaunchFiles(ledger.paths)
        self._pace = StartPace(ledger)
        self._is_exhausted = False
        self._hindered_since: float | None = None
        self._looked_at: set[tuple[int, int]] = set()
        """Places of attempts that are known not to be claimed by anybody."""

    # -- whether ---------------------------------------------------------------------------------------------------

    @property
    def is_window_open(self) -> bool:
        """Whether it is the time of day in which the study works."""
        window = self._spec.budget.only
        return window is None or window.is_open(self._ledger.clock.time())

    @property
    def is_active(self) -> bool:
        """Whether the study may start trials at all now; only such time counts as its hours."""
        return self._ledger.fold.paused is None and self.is_window_open

    def wants_new(self) -> bool:
        """Whether the budget has room for a trial that does not exist yet."""
        fold = self._ledger.fold
        hours = (fold.supervised_s + self._ledger.active_s) / 3600.0
        return decide.wants_new_trial(fold, hours_used=hours, exhausted=self._is_exhausted)

    def look_again(self) -> None:
        """Something was asked for: perhaps the search has trials again."""
        self._is_exhausted = False

    def _wait(self, reason: str | None) -> None:
        """Tell what the next start waits for, when that changed."""
        if reason != self._ledger.fold.waiting:
            self._ledger.record("study_waiting", reason=reason)

    def _hindered(self, reason: str | None) -> None:
        """What the next start waits for is no device: after a while the study's devices are kept from nobody else."""
        now = self._ledger.clock.monotonic()
        if self._hindered_since is None:
            self._hindered_since = now
        if now - self._hindered_since >= KEEP_S:
            self._admission.rest()
        self._wait(reason)

    # -- which -----------------------------------------------------------------------------------------------------

    def adopt_asked(self) -> None:
        """Trials that Optuna handed out just before a crash, and the journal does not know yet."""
        for asked in self._memory.take_orphans():
            if asked.number not in self._ledger.fold.trials:
                self._ledger.record(
                    "trial_created", trial=asked.number, params=asked.params, label=asked.label, by=asked.by
                )

    def start_what_fits(self) -> None:
        """Start trials until the slots are full, the budget is used up, or something has to be waited for."""
        fold = self._ledger.fold
        if fold.stop_requested or fold.paused is not None:
            self._admission.rest()
            return self._wait(None)
        if not self.is_window_open and (fold.counts["queued"] or self.wants_new()):
            self._admission.rest()
            window = self._spec.budget.only
            return self._wait(
                f"it is outside {window.text}, the study's hours; they begin at {window.opening}" if window else None
            )
        while True:
            trial = decide.next_queued(fold)
            running = self._ledger.running()
            if trial is None and not self.wants_new():
                self._admission.rest()
                break
            if not self._admission.has_room(fold, running):
                break
            if trial is None:
                if not self._ask():
                    return self._hindered(self._memory.trouble)
                continue
            reason = ready_reason(self._spec, self._paths, trial.number) or self._pace.reason(trial)
            if reason is not None:
                return self._hindered(reason)
            self._hindered_since = None
            overrides, _ = decide.overrides_in_force(trial, trial.request or AttemptRequest())
            place = self._admission.place(trial, overrides, fold, running)
            if isinstance(place, Waiting):
                return self._wait(place.reason)
            self._pace.began(trial)
            self._start(trial, place)
        return self._wait(None)

    def _ask(self) -> bool:
        """Make a new trial; False if the search has none, or its storage does not answer now."""
        asked, self._is_exhausted = self._memory.ask(self._ledger.fold)
        if asked is None:
            return False
        self._ledger.record("trial_created", trial=asked.number, params=asked.params, label=asked.label, by=asked.by)
        return True

    # -- start -----------------------------------------------------------------------------------------------------

    def adopt_forgotten(self) -> None:
        """Attempts that a runner claimed although the journal does not know them, because it was cut."""
        for trial in self._ledger.fold.in_state("queued"):
            number = trial.attempts[-1].number + 1 if trial.attempts else 1
            if (trial.number, number) in self._looked_at:
                continue
            self._looked_at.add((trial.number, number))
            start = claimed_start(self._paths.attempt(trial.number, number))
            if start is not None:
                self._ledger.record("attempt_started", trial=trial.number, attempt=number, **start)
                self._memory.changed(trial.number)

    def _start(self, trial: TrialRecord, place: Placement) -> None:
        """Folder first, journal second, runner last: whatever is missing after a crash tells how far we were."""
        request = trial.request or AttemptRequest()
        overrides, env = decide.overrides_in_force(trial, request)
        number = trial.attempts[-1].number + 1 if trial.attempts else 1
        resume_from = None if request.fresh else checkpointed_attempt(self._paths, trial)
        added = trainer_environment(
            self._spec,
            self._paths,
            trial.number,
            number,
            slot=place.slot,
            resume_from=resume_from,
            tracking_uri=self._ledger.fold.facts.tracking_uri,
            run_id=run_id_of(self._paths, trial.number),
        )
        start: dict[str, Any] = {
            "reason": request.reason,
            "fix": request.fix,
            "set": overrides,
            "env": env,
            "resume_from": resume_from,
            "devices": list(place.slot.devices),
            "slot": place.slot.number,
        }
        told = [*self._files.changes(self._spec.trainer), self._files.in_vain(self._spec.trainer, overrides)]
        for message in filter(None, told):
            self._ledger.note("warning", message, trial.number)
        write_attempt(
            self._spec,
            self._paths,
            self._base,
            trial,
            number,
            overrides=overrides,
            env={**added, **env},
            resume_from=resume_from,
            start=start,
        )
        self._ledger.record(
            "attempt_started",
            trial=trial.number,
            attempt=number,
            **start,
        )
        self._executor.start(self._paths.attempt(trial.number, number), keep_open=place.keep_open)
        place.handed_over()
        self._memory.changed(trial.number)
