"""Running attempts: what they report, why they are stopped, what their end means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from htr_tui.executors.local import AttemptPhase
from htr_tui.files import write_json
from htr_tui.journal.paths import AttemptPaths, StudyPaths
from htr_tui.journal.records import AttemptRecord, AttemptRequest, TrialRecord
from htr_tui.study.constraints import constraint_values, unknown_names
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor import decide
from htr_tui.supervisor.collecting import attempt_collector
from htr_tui.supervisor.executor import Executor
from htr_tui.supervisor.gpus import GpuRecorder
from htr_tui.supervisor.ledger import StudyLedger
from htr_tui.supervisor.memory import SearchMemory
from htr_tui.supervisor.observe import AttemptTracker
from htr_tui.supervisor.recover import claimed_start
from htr_tui.supervisor.verdict import examine, exit_facts, plain_end


class AttemptKeeper:
    """Follows the running attempts of a study; holds nothing that cannot be read again from files."""

    def __init__(
        self,
        spec: StudySpec,
        base: Path,
        ledger: StudyLedger,
        executor: Executor,
        memory: SearchMemory,
        gpus: GpuRecorder,
    ) -> None:
        self._spec = spec
        self._base = base
        self._ledger = ledger
        self._paths: StudyPaths = ledger.paths
        self._executor = executor
        self._memory = memory
        self._gpus = gpus
        self._trackers: dict[tuple[int, int], AttemptTracker] = {}
        self._told: set[tuple[int, int]] = set()
        """Attempts that this supervisor has signalled."""

    def follow(self, number: int, attempt_number: int, *, must_stop: str | None) -> None:
        """Record what an attempt reported, stop it when somebody says so, end it when it is over.

        `must_stop`: why every attempt of the study is to end ("stop", "now", "window"); None if it is not.
        """
        trial = self._ledger.fold.trials[number]
        attempt = trial.attempts[-1]
        files = self._paths.attempt(number, attempt_number)
        phase = self._executor.poll(files)  # before the events: after an end nothing more is written
        tracker = self._tracker(trial, attempt)
        is_over = phase.phase in ("ended", "lost")
        tracker.poll()
        # Nobody can have written in an attempt that never started.
        is_complete = is_over and (phase.never_started or tracker.finish(is_stopped=attempt.stopping is not None))
        self._report(tracker, is_over=is_over)
        if is_complete:
            facts = None if phase.exit is None else exit_facts(phase.exit)
            self._end(tracker, AttemptPhase(phase.phase, facts, phase.never_started))
        elif phase.phase == "running":
            self._stop_if_asked(number, files, must_stop)
        elif phase.phase == "starting" and must_stop == "now":
            self._executor.stop(files, now=True)  # either it is given up, or it runs at the next look

    def _tracker(self, trial: TrialRecord, attempt: AttemptRecord) -> AttemptTracker:
        key = (trial.number, attempt.number)
        if key not in self._trackers:
            collector = attempt_collector(self._spec, self._paths, self._base, trial, attempt)
            self._trackers[key] = AttemptTracker(self._paths, trial, attempt, self._spec.objective, collector)
        return self._trackers[key]

    # -- while it runs ---------------------------------------------------------------------------------------------

    def _report(self, tracker: AttemptTracker, *, is_over: bool) -> None:
        """Write down new epochs; of what is over already nobody asks for an end any more."""
        before = self._ledger.fold.trials[tracker.trial].attempts[-1].epoch
        for epoch in tracker.reportable(before):
            self._ledger.record(
                "attempt_reported",
                trial=tracker.trial,
                attempt=tracker.attempt,
                epoch=epoch,
                epochs=tracker.epochs,
                value=tracker.report(epoch),
            )
            self._memory.changed(tracker.trial)
            if not is_over:
                self._give_up_if_hopeless(tracker, epoch, before)
            before = epoch

    def _give_up_if_hopeless(self, tracker: AttemptTracker, epoch: int, before: int | None) -> None:
        """Ask for the attempt's end if a rule of the user strikes, or the pruner thinks so."""
        trial = self._ledger.fold.trials[tracker.trial]
        if trial.attempts[-1].stopping is not None or tracker.end_status is not None:
            return
        metrics = tracker.own[epoch]
        rule = next((rule for rule in self._spec.abort if rule.strikes(epoch, metrics, before)), None)
        if rule is not None:
            self._ask_to_stop(trial.number, "abort", rule.explain(epoch, metrics))
        elif self._memory.should_prune(trial):
            self._ask_to_stop(trial.number, "prune")

    def _ask_to_stop(self, number: int, why: str, title: str | None = None) -> None:
        attempt = self._ledger.fold.trials[number].attempts[-1]
        self._ledger.record("attempt_stopping", trial=number, attempt=attempt.number, why=why, title=title)
        self._executor.stop(self._paths.attempt(number, attempt.number), now=why == "now")
        self._told.add((number, attempt.number))

    def _stop_if_asked(self, number: int, files: AttemptPaths, must_stop: str | None) -> None:
        attempt = self._ledger.fold.trials[number].attempts[-1]
        if must_stop is not None and decide.is_more_urgent(must_stop, attempt.stopping):
            self._ask_to_stop(number, must_stop)
        elif attempt.stopping is not None and (number, attempt.number) not in self._told:
            # A supervisor that died between record and signal: say it again, TERM may be repeated.
            self._executor.stop(files, now=attempt.stopping == "now")
            self._told.add((number, attempt.number))

    # -- its end ---------------------------------------------------------------------------------------------------

    def _end(self, tracker: AttemptTracker, phase: AttemptPhase) -> None:
        trial = self._ledger.fold.trials[tracker.trial]
        attempt = trial.attempts[-1]
        others = self._gpus.others(tracker.paths)
        end, finding = self._examine(tracker, attempt, phase, others)
        is_stopping = self._ledger.fold.stop_requested is not None
        retries = {**decide.DEFAULT_RETRIES, **self._spec.retries}
        verdict = decide.judge(trial, attempt, end, retries, stop_is_wanted=is_stopping)
        values, epoch, metrics = tracker.result()
        if finding is not None and verdict.category is not None:
            write_json(tracker.paths.finding, finding)
        facts = phase.exit or {}
        peaks = {"peak_rss_bytes": facts.get("peak_rss_bytes"), "peak_gpu_bytes": self._gpus.peak(tracker.paths)}
        if verdict.trial is not None and self._has_later(trial.number, attempt.number):
            # Only after a cut of the journal: a later attempt has begun, so this end was not the trial's.
            verdict = replace(verdict, trial=None, retry=AttemptRequest(reason="retry"))
        follow_up = self._follow_up(trial.number, verdict, values)
        if verdict.trial == "complete" and self._spec.search.constraints:
            known = {**peaks, "peak_gpu_bytes": peaks["peak_gpu_bytes"] if attempt.devices else 0}
            known["seconds"] = facts.get("seconds")
            follow_up["constraints"] = constraint_values(self._spec.search.constraints, metrics, **known)
            self._tell_unknown(unknown_names(self._spec.search.constraints, metrics, **known))
        self._ledger.record(
            "attempt_ended",
            trial=trial.number,
            attempt=attempt.number,
            state=verdict.attempt,
            exit_code=end.exit_code,
            signal=end.signal,
            ended=facts.get("end"),
            seconds=facts.get("seconds"),
            epoch=tracker.epoch if tracker.epoch is not None else attempt.epoch,
            epochs=tracker.epochs,
            best_epoch=epoch,
            values=metrics,
            category=verdict.category,
            title=verdict.title,
            suggested_fix=end.fixes[0].name if end.fixes and verdict.category else None,
            **peaks,
            follow_up=follow_up,
        )
        if tracker.skipped:
            self._ledger.note("warning", f"{tracker.skipped} lines of its events could not be read", trial.number)
        if tracker.trouble:
            self._ledger.note("warning", f"metrics: {tracker.trouble}", trial.number)
        self._trackers.pop((trial.number, attempt.number), None)
        self._told.discard((trial.number, attempt.number))
        self._memory.changed(trial.number)

    def _examine(
        self, tracker: AttemptTracker, attempt: AttemptRecord, phase: AttemptPhase, others: int | None
    ) -> tuple[decide.AttemptEnd, dict[str, Any] | None]:
        """The end with its finding; a diagnosis that fails leaves the attempt without one, not the trial without an end."""
        try:
            return examine(self._spec, tracker, attempt, phase, other_gpu_bytes=others)
        except OSError:
            raise
        except Exception as error:
            text = f"no diagnosis of attempt {attempt.number}: {type(error).__name__}: {error}"
            self._ledger.note("error", text, tracker.trial)
            return plain_end(tracker, phase), None

    def _has_later(self, number: int, attempt: int) -> bool:
        return claimed_start(self._paths.attempt(number, attempt + 1)) is not None

    def _tell_unknown(self, names: tuple[str, ...]) -> None:
        """Constraints over what a trial does not have are never kept: said once, or a study has no best in silence."""
        text = f"constraints: no {', '.join(names)} is known of complete trials, so they do not keep them"
        if names and all(note.message != text for note in self._ledger.fold.notes):
            self._ledger.note("warning", text)

    def _follow_up(self, number: int, verdict: decide.Verdict, values: tuple[float | None, ...]) -> dict[str, Any]:
        """What happens to the trial: it is queued again, or it is over."""
        if verdict.retry is not None:
            request = verdict.retry
            return {
                "event": "trial_queued",
                "trial": number,
                "reason": request.reason,
                "fix": request.fix,
                "set": request.set,
                "env": request.env,
                "fresh": request.fresh or None,
            }
        done = list(values) if verdict.trial == "complete" else []
        return {
            "event": "trial_ended",
            "trial": number,
            "state": verdict.trial,
            "values": done,
            "category": verdict.category,
        }
