"""Brings a tracking store up to what a study's files say, and remembers how far it came."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import TrialRecord
from htr_tui.metrics.events import EventsReader
from htr_tui.tracking import plan
from htr_tui.tracking.client import Refused, RunFacts, StoreFailure, TrackingStore
from htr_tui.tracking.follow import JournalFollower
from htr_tui.tracking.plan import AttemptNews
from htr_tui.tracking.read_back import ReadBack
from htr_tui.tracking.runs import StudyRuns
from htr_tui.tracking.state import TrackingError, TrialMemory

SAVE_EVERY_S = 10.0


class StudyMirror:
    """One study, mirrored in rounds.

    A round can be interrupted anywhere and done again: runs are found by their tags, points carry times and steps
    from files, and offsets are saved after what they cover was told.
    """

    def __init__(
        self,
        paths: StudyPaths,
        make_store: Callable[[], TrackingStore],
        *,
        ahead: int = 0,
        should_stop: Callable[[], bool] = lambda: False,
        read_back: ReadBack | None = None,
    ) -> None:
        self.paths = paths
        self._read_back = read_back
        self.follower = JournalFollower(paths.journal)
        self.runs = StudyRuns(paths, make_store)
        self._ahead = ahead
        self._should_stop = should_stop
        self._trials: dict[int, TrialMemory] = {}
        self._readers: dict[tuple[int, int], EventsReader] = {}
        self._pending: set[int] = set()
        """Trials of which something may be left to tell."""
        self._seen = (0, 0)
        """Generation and version of the fold when `_pending` was last filled."""
        self._ahead_seen: tuple[int, int] | None = None
        self._best_seen: tuple[int, int] | None = None
        self._was_interrupted = False
        self._has_connected = False
        self._saved = 0.0

    def sync(self, *, interrupted: bool = False) -> bool:
        """Tell all that is new; True when nothing is left and the study is over. Raises StoreFailure.

        `interrupted`: neither supervisor nor runner is alive, so what the journal calls running is not.
        """
        self._refresh()
        if interrupted != self._was_interrupted:
            self._was_interrupted = interrupted
            self._pending |= {n for n, trial in self.follower.fold.trials.items() if trial.state == "running"}
        try:
            if not self.runs.is_connected:
                self._connect()
            return self._round(interrupted=interrupted)
        except Refused as error:
            self.runs.disconnect()
            raise StoreFailure(str(error)) from error
        except StoreFailure:
            self.runs.disconnect()
            raise

    def tell_error(self, error: BaseException) -> None:
        """Let the panel and the command line read why nothing is told, and since when."""
        before = self.runs.memory.error
        now = time.time()
        told = TrackingError(str(error), before.since if before is not None else now)
        self.runs.save(replace(self.runs.memory, error=told, updated=now))

    def _round(self, *, interrupted: bool) -> bool:
        fold, journal_bytes = self.follower.fold, self.follower.offset
        is_ended = fold.ended_reason is not None
        is_over = is_ended or interrupted
        told = False
        for number in sorted(self._pending):
            self._bring_back(fold.trials[number])
            while not self._should_stop():
                has_told, has_more = self._sync_trial(fold.trials[number], interrupted=interrupted)
                told |= has_told
                if not has_more:
                    break
        is_settled = not self._pending
        if is_over:
            told |= self.runs.remove_ahead(fold)
            if is_settled:
                told |= self._set_best()
                told |= self.runs.set_parent(fold, interrupted=interrupted)
        else:
            told |= self._make_ahead()
            told |= self._set_best()
            told |= self.runs.set_parent(fold, interrupted=False)
        is_drained = is_over and is_settled
        self._remember(is_drained, journal_bytes if is_drained else 0, told=told)
        return is_drained

    def _bring_back(self, trial: TrialRecord) -> None:
        """Where the trainer logs to its run itself, that is where its metrics come from."""
        if self._read_back is not None and trial.state == "running":
            _, run_id = self._with_run(trial)
            self._read_back.read(self.runs.store, trial, run_id)

    def _make_ahead(self) -> bool:
        """Runs for the trials that may start next; looked at only when the journal said something new."""
        if self._ahead_seen == self._seen:
            return False
        fold = self.follower.fold
        numbers = plan.numbers_ahead(fold, self._ahead)
        has_made = self.runs.make_ahead(fold, [n for n in numbers if n not in fold.trials or not self._load(n).run_id])
        self._ahead_seen = self._seen
        return has_made

    def _refresh(self) -> None:
        """Read the journal on and note the trials that changed."""
        self.follower.refresh()
        fold, generation = self.follower.fold, self.follower.generation
        since = self._seen[1] if self._seen[0] == generation else 0
        if self._seen[0] != generation:
            self._pending.clear()
        changed = fold.changed_since(since)
        self._pending |= {trial.number for trial in changed if trial.attempts or trial.state != "queued"}
        self._seen = (generation, fold.version)

    def _remember(self, is_drained: bool, journal_bytes: int, *, told: bool) -> None:
        before = self.runs.memory
        memory = replace(before, error=None, drained=is_drained, journal_bytes=journal_bytes)
        if memory != before or (told and time.monotonic() - self._saved > SAVE_EVERY_S):
            self.runs.save(replace(memory, updated=time.time()))
            self._saved = time.monotonic()

    # -- connecting ------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Match what is in the store with what is remembered; what is gone is told again, to new runs."""
        if self._has_connected:  # reports that were told and freed may have been told to a run that is gone
            self.follower, self._seen = JournalFollower(self.paths.journal), (0, 0)
            self._pending.clear()
            self._refresh()
        found = self.runs.connect(self.follower.fold.facts)
        self._trials.clear()
        self._readers.clear()
        if self._read_back is not None:
            self._read_back.forget()
        by_trial = self._match(found)
        fold, parent_run_id = self.follower.fold, self.runs.memory.parent_run_id
        for number in fold.trials:
            run, memory = by_trial.get(number), self._load(number)
            if run is None or memory.run_id != run.run_id:
                memory = TrialMemory()
            if run is not None:
                memory = replace(memory, run_id=run.run_id, parent_run_id=parent_run_id, status=run.status)
            self._trials[number] = memory
        ahead = {
            number: run.run_id
            for number, run in by_trial.items()
            if number not in fold.trials or not fold.trials[number].attempts
        }
        self.runs.save(replace(self.runs.memory, ahead=ahead))
        for number in ahead:
            if by_trial[number].status == plan.RUNNING:
                self.runs.store.set_status(ahead[number], plan.SCHEDULED, None)
        self._ahead_seen = self._best_seen = None
        self._has_connected = True

    def _match(self, found: Sequence[RunFacts]) -> dict[int, RunFacts]:
        """The run of each trial: the remembered one, else the oldest; others of the same trial are deleted."""
        ahead = self.runs.memory.ahead
        by_id = {run.run_id: run for run in found}
        by_trial: dict[int, RunFacts] = {}
        for number in {*self.follower.fold.trials, *ahead}:
            run = by_id.get(self._load(number).run_id or ahead.get(number, ""))
            if run is not None:
                by_trial[number] = run
        for run in found:
            if run.trial is not None and by_trial.setdefault(run.trial, run) is not run:
                self.runs.store.delete_run(run.run_id)
        return by_trial

    def _load(self, number: int) -> TrialMemory:
        """What is remembered of a trial; nothing if that was about another store."""
        memory = self._trials.get(number)
        if memory is None:
            memory = TrialMemory.load(self.paths, number)
            if memory.parent_run_id != self.runs.memory.parent_run_id:
                memory = TrialMemory()
            self._trials[number] = memory
        return memory

    # -- trials ----------------------------------------------------------------------------------------------------

    def _sync_trial(self, trial: TrialRecord, *, interrupted: bool) -> tuple[bool, bool]:
        """Tell what is new of a trial; (whether there was anything, whether its files hold more)."""
        memory, run_id = self._with_run(trial)
        news = self._read(trial, memory)
        reports = self.follower.reports(trial.number, memory.reports)
        todo = plan.plan_trial(trial, memory, reports, news, interrupted=interrupted)
        if todo.name:
            self.runs.store.rename(run_id, todo.name)
        self.runs.log(run_id, todo.points, todo.params, todo.tags)
        if todo.status:
            self.runs.store.set_status(run_id, todo.status, todo.end_ms)
        if todo.memory != memory:
            todo.memory.save(self.paths, trial.number)
        self._trials[trial.number] = todo.memory
        if todo.is_settled:
            self._pending.discard(trial.number)
            self._free(trial, todo.memory)
        return not todo.is_empty, any(item.batch.more for item in news.values())

    def _with_run(self, trial: TrialRecord) -> tuple[TrialMemory, str]:
        """The trial's memory and its run, made ahead or made now; remembered before it is used."""
        number, memory = trial.number, self._load(trial.number)
        if memory.run_id is not None and number not in self.runs.memory.ahead:
            return memory, memory.run_id
        run_id = memory.run_id or self.runs.memory.ahead.get(number)
        if run_id is None:
            run_id = self.runs.create_trial(self.follower.fold, number, trial)
            memory = replace(memory, status=plan.RUNNING, name=plan.run_name(trial, number))
        memory = replace(memory, run_id=run_id, parent_run_id=self.runs.memory.parent_run_id)
        memory.save(self.paths, number)
        self._trials[number] = memory
        self.runs.take_ahead(number)
        return memory, run_id

    def _read(self, trial: TrialRecord, memory: TrialMemory) -> dict[int, AttemptNews]:
        """New events of every attempt; none of a trial that was done and has no new attempt."""
        if memory.done and all(attempt.number in memory.offsets for attempt in trial.attempts):
            return {}
        news: dict[int, AttemptNews] = {}
        for attempt in trial.attempts:
            place, offset = (trial.number, attempt.number), memory.offsets.get(attempt.number, 0)
            reader = self._readers.get(place)
            if reader is None or reader.offset != offset:  # the last batch was read but could not be told
                reader = EventsReader(self.paths.attempt(*place).events, offset)
                self._readers[place] = reader
            batch = reader.read()
            news[attempt.number] = AttemptNews(batch, reader.offset)
        return news

    def _free(self, trial: TrialRecord, memory: TrialMemory) -> None:
        """Let go of what a trial that is over needed."""
        for attempt in trial.attempts:
            self._readers.pop((trial.number, attempt.number), None)
        if memory.done:
            self.follower.forget(trial.number)

    def _set_best(self) -> bool:
        """The best result is true at any time, not only at the end; looked at when the journal said something new."""
        if self._best_seen == self._seen:
            return False
        best = self.follower.fold.best()
        if best is not None and best.number in self._pending:
            return False  # its own run is told first
        told = self.runs.set_best(self.follower.fold, best, self._load(best.number).run_id if best else None)
        self._best_seen = self._seen
        return told
