"""The supervisor's loop: observe, record, act. All it knows is in files, so it may die between any two lines."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from htr_tui.errors import ForeignStudyError, HtrError, StorageError
from htr_tui.executors.local import AttemptPhase, LocalExecutor
from htr_tui.executors.slots import Slot, free_slots
from htr_tui.files import LineAppender, dump_line, write_json
from htr_tui.journal.commands import pending_commands
from htr_tui.journal.fold import JournalReader
from htr_tui.journal.paths import AttemptPaths, StudyPaths
from htr_tui.journal.records import AttemptRecord, AttemptRequest, TrialRecord
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.presence import PresenceLock
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor import decide
from htr_tui.supervisor.gpus import GpuRecorder
from htr_tui.supervisor.memory import SearchMemory
from htr_tui.supervisor.mirror import MirrorKeeper
from htr_tui.supervisor.observe import AttemptTracker
from htr_tui.supervisor.prepare import checkpointed_attempt, trainer_environment, write_attempt
from htr_tui.supervisor.verdict import examine
from htr_tui.tracking.state import run_id_of

TICK_S = 0.5
BACKOFF_S = 2.0
"""Wait after a tick that a full disk or the like ended; nothing is lost meanwhile."""

Recorded = Callable[[dict[str, Any]], None]


class Supervisor:
    """One study's supervisor. `run` returns why it ended."""

    def __init__(self, paths: StudyPaths, spec: StudySpec, base: Path, *, on_record: Recorded | None = None) -> None:
        self.paths = paths
        self.spec = spec
        self.base = base
        self._on_record = on_record
        self._presence = PresenceLock(paths.lock, paths.supervisor)
        self._executor = LocalExecutor()
        self._gpus = GpuRecorder(spec.resources)
        self._memory = SearchMemory(spec, paths, self.note)
        self._mirror = MirrorKeeper(spec, paths)
        self._trackers: dict[tuple[int, int], AttemptTracker] = {}
        self._told: set[tuple[int, int]] = set()
        """Attempts that this supervisor has signalled."""
        self._exhausted = False
        self._session_start = time.monotonic()
        self._hours_before = 0.0
        self._signal: int | None = None
        self._wake: tuple[int, int] = (-1, -1)

    # -- life ------------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Supervise until the study is finished or stopped; returns "finished" or "stopped"."""
        self._presence.acquire()
        try:
            self._open()
            while True:
                reason = self._guarded_tick()
                if reason is not None:
                    return reason
                self._wait()
        finally:
            self._close()

    def _open(self) -> None:
        self._journal = LineAppender(self.paths.journal)
        reader = JournalReader(self.paths.journal)
        reader.refresh()
        self.fold = reader.fold
        self._hours_before = self.fold.supervised_s / 3600.0
        self._install_signals()
        self.record("supervisor_started", **ProcessIdentity.current().as_json())
        self.slots = self._gpus.plan()
        if self._gpus.reason:
            self.note("info", self._gpus.reason)
        if self.fold.skipped:
            self.note("warning", f"{self.fold.skipped} lines of the journal could not be read and were skipped")
        self._continue_stopped()
        self._connect_memory()
        self._mirror.start(ahead=len(self.slots))
        self._presence.beat(force=True)

    def _connect_memory(self) -> None:
        try:
            self._memory.connect(self.fold)
        except ForeignStudyError as error:
            self.note("error", str(error))
            self.record("supervisor_ended", reason="failed")
            raise

    def _close(self) -> None:
        self._memory.close()
        if self._wake[0] >= 0:
            signal.set_wakeup_fd(-1)
            os.close(self._wake[0])
            os.close(self._wake[1])
        self._presence.release()

    def _install_signals(self) -> None:
        """TERM and INT stop the study like the command does, a second one at once; HUP means nothing to us."""

        def remember(number: int, frame: object) -> None:
            self._signal = number

        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake = (reader, writer)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, remember)
        signal.signal(signal.SIGINT, remember)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _wait(self) -> None:
        """Until a runner ends, a signal comes, or the tick is over."""
        running = [self.paths.attempt(t.number, a.number) for t, a in self._running()]
        handles = [*self._executor.wait_handles(running), self._wake[0]]
        ready, _, _ = select.select(handles, [], [], TICK_S)
        if self._wake[0] in ready:
            os.read(self._wake[0], 4096)

    def _guarded_tick(self) -> str | None:
        try:
            return self._tick()
        except OSError as error:
            # A full disk, most often: say it where it can be said, change nothing, try again.
            print(f"htr-tui supervisor: {error}; trying again", file=sys.stderr, flush=True)  # noqa: T201
            time.sleep(BACKOFF_S)
            return None

    # -- one tick --------------------------------------------------------------------------------------------------

    def _tick(self) -> str | None:
        self._presence.beat()
        self._take_signal()
        self._take_commands()
        running = self._running()
        self._gpus.sample({self.paths.attempt(t.number, a.number): self._executor for t, a in running})
        for trial, attempt in running:
            self._follow(trial.number, attempt.number)
        self._memory.heal(self.fold)
        self._adopt_asked()
        self._start_what_fits()
        self._mirror.keep()
        reason = decide.end_of_study(self.fold, wants_more=self._wants_new())
        if reason == "stopped":
            self._park_queued()
        if reason is not None:
            if not self._memory.settle(self.fold):
                return None
            self.record("supervisor_ended", reason=reason)
        return reason

    def _running(self) -> list[tuple[TrialRecord, AttemptRecord]]:
        if not self.fold.counts["running"]:
            return []
        return [(t, a) for t in self.fold.trials.values() if t.state == "running" and (a := t.last_attempt)]

    def _wants_new(self) -> bool:
        hours = self._hours_before + (time.monotonic() - self._session_start) / 3600.0
        return decide.wants_new_trial(self.fold, hours_used=hours, exhausted=self._exhausted)

    def _take_signal(self) -> None:
        if self._signal is not None:
            self._signal = None
            self._request_stop(now=self.fold.stop_requested is not None)

    # -- commands --------------------------------------------------------------------------------------------------

    def _take_commands(self) -> None:
        commands, garbage = pending_commands(self.paths)
        for path in garbage:
            self.note("warning", f"a command file was not readable and was put aside: {path.name}")
            path.rename(path.with_suffix(".bad"))
        for command in commands:
            try:
                self._obey(command.name, command.fields)
            except (HtrError, KeyError, TypeError, ValueError) as error:
                self.note("warning", f"command {command.name} was refused: {error}")
            command.path.unlink(missing_ok=True)

    def _obey(self, name: str, fields: dict[str, Any]) -> None:
        if name == "stop":
            self._request_stop(now=bool(fields.get("now")))
        elif name == "retry":
            self._queue_again(int(fields["trial"]), fields)
        elif name == "budget":
            self.record("budget_changed", trials=max(int(fields["trials"]), len(self.fold.trials)))
            self._exhausted = False
        elif name == "continue":
            if self.fold.stop_requested:
                self.record("stop_cleared")
            self._continue_stopped()
        else:
            raise ValueError("unknown command")

    def _request_stop(self, *, now: bool) -> None:
        if self.fold.stop_requested is None or (now and self.fold.stop_requested != "now"):
            self.record("stop_requested", now=now)

    def _queue_again(self, number: int, fields: dict[str, Any]) -> None:
        trial = self.fold.trials[number]
        if trial.state not in ("failed", "stopped", "pruned"):
            raise ValueError(
                f"trial {number} is {trial.state}; only a failed, stopped or pruned trial can be tried again"
            )
        reason = "continue" if trial.state == "stopped" else "retry"
        wanted = {key: fields[key] for key in ("fix", "set", "env", "fresh") if fields.get(key)}
        self.record("trial_queued", trial=number, reason=reason, **wanted)
        self._memory.changed(number)

    def _continue_stopped(self) -> None:
        for trial in [t for t in self.fold.trials.values() if t.state == "stopped"]:
            wanted = trial.request or AttemptRequest()
            self.record(
                "trial_queued",
                trial=trial.number,
                reason="continue",
                fix=wanted.fix,
                set=wanted.set,
                env=wanted.env,
                fresh=wanted.fresh,
            )
            self._memory.changed(trial.number)

    def _park_queued(self) -> None:
        """A stopped study leaves no trial waiting: what was queued is stopped too and keeps what it was queued for."""
        for trial in [t for t in self.fold.trials.values() if t.state == "queued"]:
            self.record("trial_ended", trial=trial.number, state="stopped")
            self._memory.changed(trial.number)

    # -- running attempts ------------------------------------------------------------------------------------------

    def _follow(self, number: int, attempt_number: int) -> None:
        """Record what an attempt reported, stop it when the pruner or the user says so, end it when it is over."""
        trial = self.fold.trials[number]
        attempt = trial.attempts[-1]
        files = self.paths.attempt(number, attempt_number)
        phase = self._executor.poll(files)  # before the events: after an end nothing more is written
        tracker = self._tracker(trial, attempt)
        tracker.poll()
        self._report(tracker)
        if phase.phase in ("ended", "lost"):
            self._end_attempt(tracker, phase)
            return
        if phase.phase == "running":
            self._stop_if_asked(number, files)

    def _tracker(self, trial: TrialRecord, attempt: AttemptRecord) -> AttemptTracker:
        key = (trial.number, attempt.number)
        if key not in self._trackers:
            self._trackers[key] = AttemptTracker(self.paths, trial, attempt, self.spec.objective)
        return self._trackers[key]

    def _report(self, tracker: AttemptTracker) -> None:
        done = self.fold.trials[tracker.trial].attempts[-1].epoch
        for epoch in sorted(e for e in tracker.own if done is None or e > done):
            value = tracker.report(epoch)
            self.record(
                "attempt_reported",
                trial=tracker.trial,
                attempt=tracker.attempt,
                epoch=epoch,
                epochs=tracker.epochs,
                value=value,
            )
            self._memory.changed(tracker.trial)
            trial = self.fold.trials[tracker.trial]
            if trial.attempts[-1].stopping is None and tracker.end_status is None and self._memory.should_prune(trial):
                self._ask_to_stop(trial.number, "prune")

    def _ask_to_stop(self, number: int, why: str) -> None:
        attempt = self.fold.trials[number].attempts[-1]
        self.record("attempt_stopping", trial=number, attempt=attempt.number, why=why)
        self._executor.stop(self.paths.attempt(number, attempt.number), now=why == "now")

    def _stop_if_asked(self, number: int, files: AttemptPaths) -> None:
        attempt = self.fold.trials[number].attempts[-1]
        wanted = self.fold.stop_requested
        if wanted is not None and attempt.stopping != wanted and attempt.stopping != "now":
            self._ask_to_stop(number, wanted)
        elif attempt.stopping is not None and (number, attempt.number) not in self._told:
            # A supervisor that died between record and signal: say it again, TERM may be repeated.
            self._executor.stop(files, now=attempt.stopping == "now")
        if attempt.stopping is not None or wanted is not None:
            self._told.add((number, attempt.number))

    def _end_attempt(self, tracker: AttemptTracker, phase: AttemptPhase) -> None:
        trial = self.fold.trials[tracker.trial]
        attempt = trial.attempts[-1]
        end, finding = examine(self.spec, tracker, attempt, phase, other_gpu_bytes=self._gpus.others(tracker.paths))
        verdict = decide.judge(trial, attempt, end, {**decide.DEFAULT_RETRIES, **self.spec.retries})
        values, epoch, metrics = tracker.result()
        if finding is not None and verdict.category is not None:
            write_json(tracker.paths.finding, finding)
        facts = phase.exit or {}
        self.record(
            "attempt_ended",
            trial=trial.number,
            attempt=attempt.number,
            state=verdict.attempt,
            exit_code=end.exit_code,
            signal=end.signal,
            ended=facts.get("end"),
            epoch=tracker.epoch if tracker.epoch is not None else attempt.epoch,
            epochs=tracker.epochs,
            best_epoch=epoch,
            values=metrics,
            category=verdict.category,
            title=verdict.title,
            suggested_fix=end.fixes[0].name if end.fixes and verdict.category else None,
            peak_rss_bytes=facts.get("peak_rss_bytes"),
            peak_gpu_bytes=self._gpus.peak(tracker.paths),
            _follow_up=self._after_attempt(trial.number, verdict, values),
        )
        if tracker.skipped:
            self.note("warning", f"{tracker.skipped} lines of its events could not be read", trial.number)
        self._trackers.pop((trial.number, attempt.number), None)
        self._memory.changed(trial.number)

    def _after_attempt(self, number: int, verdict: decide.Verdict, values: tuple[float | None, ...]) -> dict[str, Any]:
        if verdict.retry is not None:
            request = verdict.retry
            return {
                "event": "trial_queued",
                "trial": number,
                "reason": request.reason,
                "fix": request.fix,
                "set": request.set,
                "env": request.env,
            }
        done = list(values) if verdict.trial == "complete" else []
        return {
            "event": "trial_ended",
            "trial": number,
            "state": verdict.trial,
            "values": done,
            "category": verdict.category,
        }

    # -- starting --------------------------------------------------------------------------------------------------

    def _adopt_asked(self) -> None:
        """Trials that Optuna handed out just before a crash, and the journal does not know yet."""
        for asked in self._memory.take_orphans():
            if asked.number not in self.fold.trials:
                self.record("trial_created", trial=asked.number, params=asked.params, label=asked.label)

    def _start_what_fits(self) -> None:
        if self.fold.stop_requested:
            return
        while free := free_slots(self.slots, {a.slot for _, a in self._running()}):
            trial = decide.next_queued(self.fold)
            if trial is None:
                if not self._wants_new() or not self._ask():
                    return
                continue
            self._start(trial, free[0])

    def _ask(self) -> bool:
        """Make a new trial; False if the search has none, or its storage does not answer now."""
        asked, self._exhausted = self._memory.ask(self.fold)
        if asked is None:
            return False
        self.record("trial_created", trial=asked.number, params=asked.params, label=asked.label)
        return True

    def _start(self, trial: TrialRecord, slot: Slot) -> None:
        """Folder first, journal second, runner last: whatever is missing after a crash tells how far we were."""
        request = trial.request or AttemptRequest()
        overrides, env = decide.overrides_in_force(trial, request)
        number = trial.attempts[-1].number + 1 if trial.attempts else 1
        resume_from = None if request.fresh else checkpointed_attempt(self.paths, trial)
        added = trainer_environment(
            self.spec,
            self.paths,
            trial.number,
            number,
            slot=slot,
            resume_from=resume_from,
            tracking_uri=self.fold.facts.tracking_uri,
            run_id=run_id_of(self.paths, trial.number),
        )
        write_attempt(
            self.spec,
            self.paths,
            self.base,
            trial,
            number,
            overrides=overrides,
            env={**added, **env},
            resume_from=resume_from,
        )
        self.record(
            "attempt_started",
            trial=trial.number,
            attempt=number,
            reason=request.reason,
            fix=request.fix,
            set=overrides,
            env=env,
            resume_from=resume_from,
            devices=list(slot.devices),
            slot=slot.number,
        )
        self._executor.start(self.paths.attempt(trial.number, number))
        self._memory.changed(trial.number)

    # -- journal ---------------------------------------------------------------------------------------------------

    def record(self, event: str, *, _follow_up: dict[str, Any] | None = None, **fields: Any) -> None:
        """Write one event (or two that belong together) and fold it; OSError if the disk refuses: nothing happened."""
        now = time.time()
        records = [{"t": now, "event": event, **{k: v for k, v in fields.items() if v is not None}}]
        if _follow_up is not None:
            records.append({"t": now, **{k: v for k, v in _follow_up.items() if v is not None}})
        self._journal.append(*records)
        for record in records:
            self.fold.apply(record)
            if self._on_record is not None:
                self._on_record(record)

    def note(self, level: str, message: str, trial: int | None = None) -> None:
        """Tell the user something, in the journal and the supervisor's log."""
        sys.stderr.buffer.write(dump_line({"t": time.time(), "note": message}))
        sys.stderr.flush()
        self.record("note", level=level, message=message, trial=trial)


def supervise(paths: StudyPaths, spec: StudySpec, base: Path, *, on_record: Recorded | None = None) -> str:
    """Run a study's supervisor in this process until it ends; BusyError if another one is there."""
    if not paths.journal.is_file():
        raise StorageError(f"{paths.root} holds no study", "journal.jsonl is missing")
    return Supervisor(paths, spec, base, on_record=on_record).run()
