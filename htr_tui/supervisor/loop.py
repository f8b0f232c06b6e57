"""The supervisor's loop: observe, record, act. All it knows is in files, so it may die between any two lines."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path
from typing import Any, Final

from htr_tui.errors import ForeignStudyError, StorageError
from htr_tui.executors.local import LocalExecutor
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.presence import PresenceLock
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor import decide
from htr_tui.supervisor.admission import Admission
from htr_tui.supervisor.attempts import AttemptKeeper
from htr_tui.supervisor.clock import Clock, SystemClock
from htr_tui.supervisor.executor import Executor
from htr_tui.supervisor.gpus import GpuRecorder
from htr_tui.supervisor.ledger import Recorded, StudyLedger, say
from htr_tui.supervisor.memory import SearchMemory
from htr_tui.supervisor.mirror import MirrorKeeper
from htr_tui.supervisor.recover import forgotten_records, refuse_attempts_elsewhere
from htr_tui.supervisor.requests import Requests
from htr_tui.supervisor.starter import Starter
from htr_tui.supervisor.troubles import Troubles

TICK_S = 0.5
BACKOFF_S = 2.0
"""Wait after a tick in which something went wrong, a full disk or the like; nothing is lost meanwhile."""
PATIENCE: Final = 10
"""After so many ticks in a row with a mistake, a study that is to stop is left as it is: the user has the last word."""


class Supervisor:
    """One study's supervisor. `run` returns why it ended."""

    def __init__(
        self,
        paths: StudyPaths,
        spec: StudySpec,
        base: Path,
        *,
        on_record: Recorded | None = None,
        clock: Clock | None = None,
        executor: Executor | None = None,
        gpus: GpuRecorder | None = None,
        make_ledger: type[StudyLedger] = StudyLedger,
    ) -> None:
        self.paths = paths
        self.spec = spec
        self.ledger = make_ledger(paths, clock or SystemClock(), on_record)
        self._clock = self.ledger.clock
        self._presence = PresenceLock(paths.lock, paths.supervisor)
        self._executor: Executor = executor or LocalExecutor()
        self._gpus = gpus or GpuRecorder(spec.resources)
        self._memory = SearchMemory(spec, paths, self.ledger.note)
        self._mirror = MirrorKeeper(spec, paths)
        self._requests = Requests(self.ledger, self._memory)
        self._attempts = AttemptKeeper(spec, base, self.ledger, self._executor, self._memory, self._gpus)
        self._admission = Admission(spec, paths, self._gpus, self.ledger.note)
        self._starter = Starter(spec, base, self.ledger, self._executor, self._memory, self._admission)
        self._troubles = Troubles(self.ledger)
        self._mistakes = 0
        self._last_tick: float | None = None
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}
        """What signals did before us."""
        self._wake: tuple[int, int] = (-1, -1)

    # -- life ------------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Supervise until the study is "finished" or "stopped"; "failed" or "removed" if that cannot be."""
        self._presence.acquire()
        try:
            self.open()
            while True:
                reason = self._guarded_tick()
                if reason is not None:
                    return reason
                self._wait()
        finally:
            self.close()

    def open(self) -> None:
        """Fold the journal, continue what was stopped, and be ready for the first tick."""
        self.ledger.open()
        refuse_attempts_elsewhere(self.paths, self.ledger.fold)
        self._install_signals()
        self.ledger.record("supervisor_started", **ProcessIdentity.current().as_json())
        if self.ledger.fold.skipped:
            lines = self.ledger.fold.skipped
            self.ledger.note("warning", f"{lines} lines of the journal could not be read and were skipped")
        for record in list(forgotten_records(self.paths, self.ledger.fold)):
            self.ledger.record(**record)
        self._requests.continue_stopped()
        self._connect_memory()
        self._mirror.start(ahead=self._admission.capacity(self.ledger.fold))
        self._presence.beat(force=True)

    def _connect_memory(self) -> None:
        try:
            self._memory.connect(self.ledger.fold)
        except ForeignStudyError as error:
            self._fail(str(error))
            raise

    def _fail(self, message: str) -> None:
        """Say why this supervisor cannot go on; running attempts do, and the next one adopts them."""
        self.ledger.note("error", message)
        self.ledger.record("supervisor_ended", reason="failed")

    def close(self) -> None:
        """Let go of everything; running attempts go on under their runners."""
        self._memory.close()
        self._admission.close()
        if self._wake[0] >= 0:
            signal.set_wakeup_fd(-1)
            os.close(self._wake[0])
            os.close(self._wake[1])
            self._wake = (-1, -1)
        while self._handlers:
            signal.signal(*self._handlers.popitem())
        self.ledger.close()
        self._presence.release()

    def _install_signals(self) -> None:
        """TERM and INT stop the study like the command does, a second one at once; HUP means nothing to us."""

        def remember(number: int, frame: object) -> None:
            self._signal = number

        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake = (reader, writer)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, remember)
        self._handlers[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _wait(self) -> None:
        """Until a runner ends, a signal comes, or the tick is over."""
        running = [self.paths.attempt(t.number, a.number) for t, a in self.ledger.running()]
        try:
            poll = select.poll()
            for handle in [*self._executor.wait_handles(running), self._wake[0]]:
                poll.register(handle, select.POLLIN)
            if any(handle == self._wake[0] for handle, _ in poll.poll(TICK_S * 1000)):
                os.read(self._wake[0], 4096)
        except OSError:
            time.sleep(TICK_S)

    def _guarded_tick(self) -> str | None:
        """A tick that comes back whatever happens in it: who supervises a week of training is not ended by one file."""
        try:
            reason = self.tick()
        except ForeignStudyError as error:
            self._fail(str(error))
            raise
        except Exception as error:
            # A full disk, most often: say it where it can be said, change nothing, try again.
            self._troubles.tell(error)
            self._mistakes += not isinstance(error, OSError)
            if self._mistakes >= PATIENCE and self.ledger.fold.stop_requested:
                self._fail("the study could not be stopped in order; what still runs was asked to end")
                return "failed"
            time.sleep(BACKOFF_S)
            return None
        self._mistakes = 0
        return reason

    # -- one tick --------------------------------------------------------------------------------------------------

    def tick(self) -> str | None:
        """Look at everything once and do what is due; the reason to end, or None."""
        fold = self.ledger.fold
        if self.ledger.is_lost():
            return self._leave()
        self._presence.beat()
        self._count_time()
        with self._troubles.kept():
            self._take_signal()
            if self._requests.take():
                self._starter.look_again()
        running = self.ledger.running()
        with self._troubles.kept():
            self._gpus.sample({self.paths.attempt(t.number, a.number): self._executor for t, a in running})
        with self._troubles.kept():
            self._admission.tend(running)
        for trial, attempt in running:
            with self._troubles.kept():  # one trial's trouble is not another's
                self._attempts.follow(trial.number, attempt.number, must_stop=self._must_stop())
        self._memory.heal(fold)
        self._starter.adopt_asked()
        self._starter.adopt_forgotten()
        self._pause_if_failing()
        self._starter.start_what_fits()
        self._mirror.keep()
        self._troubles.raise_first()
        reason = decide.end_of_study(fold, wants_more=self._starter.wants_new())
        if reason == "stopped":
            self._requests.park_queued()
        elif self._requests.has_put_off:
            return None  # a trial was asked for, and is made as soon as the search's storage answers
        if reason is not None:
            if not self._memory.settle(fold) or self._requests.are_new():
                return None
            self.ledger.record("supervisor_ended", reason=reason)
        return reason

    def _leave(self) -> str:
        """Nobody reads what we write any more. What lost its folder is ended; a journal put in place has its attempts."""
        say({"t": self._clock.time(), "error": f"{self.paths.journal} was removed or replaced: the supervisor ends"})
        for trial, attempt in self.ledger.running():
            with self._troubles.kept():
                self._executor.poll(self.paths.attempt(trial.number, attempt.number))
        self._presence.abandon()
        return "removed"

    def _count_time(self) -> None:
        """Add up the time in which trials could start."""
        now = self._clock.monotonic()
        if self._last_tick is not None and self._starter.is_active:
            self.ledger.active_s += max(0.0, now - self._last_tick)
        self._last_tick = now

    def _take_signal(self) -> None:
        number, self._signal = self._signal, None
        if number is not None:
            try:
                self._requests.stop(now=self.ledger.fold.stop_requested is not None)
            except OSError:
                self._signal = number  # a full disk: at the next tick
                raise

    def _must_stop(self) -> str | None:
        """Why every running attempt is to end now, if it is."""
        if self.ledger.fold.stop_requested is not None:
            return self.ledger.fold.stop_requested
        if self.spec.budget.at_close == "stop" and not self._starter.is_window_open:
            return "window"
        return None

    def _pause_if_failing(self) -> None:
        """A study whose trials all fail alike says so loudly instead of burning days."""
        fold = self.ledger.fold
        if fold.paused is not None or fold.stop_requested or not (fold.counts["queued"] or self._starter.wants_new()):
            return
        message = decide.failing_alike(fold, self.spec.pause_after)
        if message is not None:
            advice = "look at the finding of one of them, then continue the study, or retry a trial with a fix"
            self.ledger.record("study_paused", by="failures", message=f"{message}; {advice}")


def supervise(paths: StudyPaths, spec: StudySpec, base: Path, *, on_record: Recorded | None = None) -> str:
    """Run a study's supervisor in this process until it ends; BusyError if another one is there."""
    if not paths.journal.is_file():
        raise StorageError(f"{paths.root} holds no study", "journal.jsonl is missing")
    try:
        return Supervisor(paths, spec, base, on_record=on_record).run()
    except OSError as error:  # at its start: later on it is waited for
        raise StorageError(
            f"{paths.root.name} cannot be supervised", str(error), "check permissions and free space"
        ) from error
