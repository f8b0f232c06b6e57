"""What goes wrong in a tick: told where people look, and no reason to leave anything else alone."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from htr_tui.errors import BusyError, ForeignStudyError, StorageError
from htr_tui.files import iterate_records
from htr_tui.journal.commands import send_command
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import AttemptPaths
from htr_tui.supervisor import loop, memory
from htr_tui.supervisor.loop import Supervisor
from htr_tui.supervisor.starter import KEEP_S
from tests.fakes.attempts_world import FakeExecutor, Fate
from tests.fakes.search_memory import MemoryStore, Remembered
from tests.supervisor.test_killed_anywhere import Play, Steps, make_play

Start = Callable[..., "Stage"]


class Stage:
    """A supervisor of a study without processes, ticked by hand."""

    def __init__(self, base: Path, fates: dict[tuple[int, int], Fate]) -> None:
        self.search = Remembered()
        self.play: Play
        self.play, self.spec = make_play(base, Steps([]), fates, self.search)
        self.executor = FakeExecutor(self.play.world)
        self.listener: Callable[[dict[str, Any]], None] | None = None
        self.supervisor = self.make()

    def make(self) -> Supervisor:
        """The next supervisor."""
        return Supervisor(
            self.play.paths, self.spec, self.play.base, executor=self.executor, on_record=lambda r: self._hear(r)
        )

    def _hear(self, record: dict[str, Any]) -> None:
        if self.listener is not None:
            self.listener(record)

    @property
    def fold(self) -> StudyFold:
        """As the supervisor has it."""
        return self.supervisor.ledger.fold

    def attempt(self, trial: int, number: int = 1) -> AttemptPaths:
        return self.play.paths.attempt(trial, number)

    def notes(self) -> str:
        return "\n".join(note.message for note in self.fold.notes)

    def ticks(self, limit: int = 40) -> str | None:
        """Tick and let the world go on, until there is a reason to end or the limit is reached."""
        for _ in range(limit):
            if (reason := self.supervisor._guarded_tick()) is not None:
                return reason
            self.play.world.advance()
        return None


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    made: list[Stage] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    monkeypatch.setattr(loop, "BACKOFF_S", 0.0)

    def begin(fates: dict[tuple[int, int], Fate] | None = None, *, is_open: bool = True) -> Stage:
        stage = Stage(tmp_path, fates or {})
        monkeypatch.setattr(memory, "SearchStore", lambda *_: MemoryStore(stage.search))
        made.append(stage)
        if is_open:
            stage.supervisor.open()
        return stage

    yield begin
    for stage in made:
        stage.supervisor.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def failing(error: Exception, times: int = 10**6) -> Callable[..., Any]:
    """A function that fails so many times, then does nothing."""
    left = [times]

    def fail(*arguments: object, **named: object) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise error

    return fail


def test_a_mistake_in_one_trial_leaves_the_others_alone(start: Start) -> None:
    stage = start()
    follow = stage.supervisor._attempts.follow

    def follow_all_but_one(number: int, attempt: int, *, must_stop: str | None) -> None:
        if number == 0:
            raise RuntimeError("trial 0 is cursed")
        follow(number, attempt, must_stop=must_stop)

    stage.supervisor._attempts.follow = follow_all_but_one  # type: ignore[method-assign, assignment]
    assert stage.ticks() is None
    assert [stage.fold.trials[n].state for n in (0, 1, 2)] == ["running", "complete", "complete"]
    assert stage.notes().count("trial 0 is cursed") == 1  # told, and told once
    stage.supervisor._attempts.follow = follow  # type: ignore[method-assign]
    assert stage.ticks() == "finished"
    assert stage.fold.counts["complete"] == 3


def test_an_unreadable_folder_of_one_trial_leaves_the_others_alone(start: Start) -> None:
    stage = start()
    poll = stage.executor.poll

    def poll_all_but_one(attempt: AttemptPaths) -> Any:
        if attempt.root.parent.name == "0000":
            raise OSError(errno.EIO, "Input/output error", str(attempt.root))
        return poll(attempt)

    stage.executor.poll = poll_all_but_one  # type: ignore[method-assign]
    assert stage.ticks() is None
    assert [stage.fold.trials[n].state for n in (0, 1, 2)] == ["running", "complete", "complete"]
    assert stage.notes().count("Input/output error") == 1


def test_a_mistake_does_not_keep_a_study_from_stopping(start: Start) -> None:
    stage = start()
    stage.ticks(1)
    stage.supervisor._attempts.follow = failing(RuntimeError("cursed"))  # type: ignore[method-assign]
    send_command(stage.play.paths, "stop")
    assert stage.ticks() == "failed"
    assert stage.fold.ended_reason == "failed"
    assert "cursed" in stage.notes()


def test_another_study_in_the_storage_ends_the_supervisor_with_a_word(start: Start) -> None:
    stage = start()
    stage.ticks(1)
    stage.supervisor._memory.heal = failing(ForeignStudyError("another study of this name"))  # type: ignore[method-assign]
    with pytest.raises(ForeignStudyError):
        stage.ticks()
    assert stage.fold.ended_reason == "failed"
    assert "another study of this name" in stage.notes()


def test_a_search_that_makes_a_mistake_is_one_that_does_not_answer(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = start()
    monkeypatch.setattr(MemoryStore, "should_prune", failing(ZeroDivisionError("in the pruner")))
    monkeypatch.setattr(memory, "RETRY_S", 0.0)
    assert stage.ticks() == "finished"
    assert stage.fold.counts["complete"] == 3
    assert "in the pruner" in stage.notes()


def test_what_a_start_waits_for_is_told_when_it_is_the_search(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = start()
    ask = MemoryStore.ask
    monkeypatch.setattr(MemoryStore, "ask", failing(StorageError("the database is locked")))
    monkeypatch.setattr(memory, "RETRY_S", 0.0)
    stage.ticks(2)
    assert "the database is locked" in (stage.fold.waiting or "")
    monkeypatch.setattr(MemoryStore, "ask", ask)
    assert stage.ticks() == "finished"


def test_a_study_that_waits_for_its_search_keeps_no_device_for_long(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = start()
    rests: list[float] = []
    now = [100.0]
    monkeypatch.setattr(stage.supervisor.ledger.clock, "monotonic", lambda: now[0])
    monkeypatch.setattr(stage.supervisor._admission, "rest", lambda: rests.append(now[0]))
    monkeypatch.setattr(MemoryStore, "ask", failing(StorageError("the database is locked")))
    for now[0] in (100.0, 100.0 + KEEP_S / 2, 101.0 + KEEP_S):
        stage.supervisor._guarded_tick()
    assert rests == [101.0 + KEEP_S]


@pytest.mark.parametrize(
    "record",
    [
        {"oom_kills": "many", "exit_code": 1},
        {"exit_code": 0, "end": "yesterday", "seconds": [1], "peak_rss_bytes": {}},
        {"exit_code": "zero", "signal": "KILL", "end": float("1e400"), "oom_kills": -1.5},
        {"exit_code": True},
    ],
)
def test_an_exit_file_of_nonsense_is_an_end_all_the_same(start: Start, record: dict[str, Any]) -> None:
    """The trainer may write in its folder, and what it writes there must end its attempt only."""
    stage = start()
    stage.ticks(1)
    for attempt in stage.play.world.attempts.values():
        attempt.paths.exit.write_text(json.dumps(record))
        attempt.is_over = True
    assert stage.ticks(60) in ("finished", None)
    assert all(a.state != "running" for n in (0, 1) for a in stage.fold.trials[n].attempts[:1])
    assert stage.fold.skipped == 0


@pytest.mark.parametrize(
    "text",
    ['{"command": "retry", "trial": Infinity}', '{"command": "budget", "trials": -Infinity}',
     '{"command": "enqueue", "params": [1, 2]}', '{"command": "retry", "trial": 0, "set": [1]}'],
)  # fmt: skip
def test_a_command_of_nonsense_is_refused_and_gone(start: Start, text: str) -> None:
    stage = start({(0, n): "crash" for n in range(1, 7)})
    stage.ticks(30)
    file = stage.play.paths.commands / "1.json"
    file.write_text(text)
    stage.ticks(2)
    assert not file.exists()
    assert stage.fold.skipped == 0


def test_a_command_file_that_cannot_be_put_aside_holds_up_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = start()
    (stage.play.paths.commands / "1.json").write_text("garbage")
    monkeypatch.setattr(Path, "rename", failing(PermissionError(errno.EACCES, "Permission denied")))
    assert stage.ticks() == "finished"
    assert stage.notes().count("1.json") == 1


def test_a_command_that_cannot_be_read_now_is_obeyed_later(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = start()
    stage.ticks(1)
    command = send_command(stage.play.paths, "stop")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing(OSError(errno.EMFILE, "Too many open files")))
        stage.supervisor._guarded_tick()
    assert command.exists()
    assert stage.ticks() == "stopped"


def test_who_listens_and_leaves_changes_nothing(start: Start) -> None:
    """`run --foreground | head`: the pipe is closed in the middle."""
    stage = start()
    stage.listener = failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert stage.ticks() == "finished"
    ends = [r["trial"] for r in iterate_records(stage.play.paths.journal) if r["event"] == "trial_ended"]
    assert sorted(ends) == [0, 1, 2]


def test_a_removed_study_is_not_made_again(start: Start) -> None:
    stage = start()
    stage.ticks(1)
    shutil.rmtree(stage.play.paths.root)
    assert stage.ticks() == "removed"
    stage.play.paths.root.mkdir()  # another study of the name
    stage.supervisor.close()
    assert list(stage.play.paths.root.iterdir()) == []


def test_a_journal_that_somebody_replaced_is_not_written_past(start: Start) -> None:
    stage = start()
    stage.ticks(1)
    data = stage.play.paths.journal.read_bytes()
    stage.play.paths.journal.unlink()
    stage.play.paths.journal.write_bytes(data + b"\n")
    assert stage.ticks() == "removed"


def test_a_journal_that_is_read_in_part_is_not_gone_on_with(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from htr_tui.files import TailReader

    stage = start(is_open=False)
    monkeypatch.setattr(TailReader, "_read", lambda *_: None)
    with pytest.raises(StorageError, match="cannot be supervised"):
        loop.supervise(stage.play.paths, stage.spec, stage.play.base)


def test_a_stopped_trial_is_tried_again_with_what_the_user_says(start: Start) -> None:
    stage = start()
    stage.ticks(1)
    send_command(stage.play.paths, "stop")
    assert stage.ticks() == "stopped"
    stage.supervisor.close()
    send_command(stage.play.paths, "retry", trial=0, set={"x": 0.5}, fresh=True)
    stage.supervisor = stage.make()
    stage.supervisor.open()
    stage.ticks(1)
    assert "refused" not in stage.notes()
    assert stage.fold.trials[0].attempts[-1].set == {"x": 0.5}


def test_a_command_that_comes_at_the_very_end_is_still_obeyed(start: Start) -> None:
    stage = start({(0, n): "crash" for n in range(1, 7)})
    settle = stage.supervisor._memory.settle

    def ask_and_settle(fold: StudyFold) -> bool:
        stage.supervisor._memory.settle = settle  # type: ignore[method-assign]
        send_command(stage.play.paths, "retry", trial=0)
        return settle(fold)

    stage.supervisor._memory.settle = ask_and_settle  # type: ignore[method-assign]
    assert stage.ticks(80) == "finished"
    assert stage.fold.trials[0].state == "complete"


def test_a_study_does_not_finish_over_a_trial_that_the_user_asked_for(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = start()
    stage.ticks(4)
    ask = MemoryStore.ask
    monkeypatch.setattr(memory, "SETTLE_S", 0.0)
    monkeypatch.setattr(memory, "RETRY_S", 0.0)
    assert len(stage.fold.trials) == 3
    monkeypatch.setattr(MemoryStore, "ask", failing(StorageError("the database is locked")))
    send_command(stage.play.paths, "enqueue", params={"x": 0.5}, label=None)
    assert stage.ticks() is None
    monkeypatch.setattr(MemoryStore, "ask", ask)
    assert stage.ticks() == "finished"
    assert len(stage.fold.trials) == 4


def test_an_attempt_that_a_cut_journal_forgot_is_taken_back_when_its_trial_ends(start: Start) -> None:
    """The journal knows attempt 1 only; a runner has claimed attempt 2, which the user had asked for."""
    stage = start({(0, 1): "complete"})
    stage.ticks(2)
    forgotten = stage.attempt(0, 2)
    forgotten.root.mkdir()
    shutil.copy(stage.attempt(0).command, forgotten.command)
    stage.executor.start(forgotten)
    for attempt in stage.play.world.attempts.values():
        if attempt.paths == stage.attempt(0, 1):
            attempt.paths.exit.write_text(json.dumps({"exit_code": 1, "signal": None, "end": 2.0}))
            attempt.is_over = True
    stage.spec.retries.clear()
    stage.ticks(2)
    assert [a.number for a in stage.fold.trials[0].attempts] == [1, 2]


def test_a_stop_that_could_not_be_told_is_told_again(start: Start) -> None:
    stage = start()
    stage.ticks(1)
    stop, calls = stage.executor.stop, []

    def tell_at_the_second_try(attempt: AttemptPaths, *, now: bool) -> None:
        calls.append(attempt)
        if len(calls) <= 2:
            raise OSError(errno.EMFILE, "Too many open files")
        stop(attempt, now=now)

    stage.executor.stop = tell_at_the_second_try  # type: ignore[method-assign]
    send_command(stage.play.paths, "stop")
    for _ in range(3):
        stage.supervisor._guarded_tick()
    assert all(a.stop == "stop" for a in stage.play.world.attempts.values())
    assert stage.ticks() == "stopped"


def test_what_ended_by_itself_is_judged_by_its_own_end(start: Start) -> None:
    """It was asked to stop, and had ended before its runner heard of that: it is complete, not pruned or stopped."""
    stage = start()
    stage.ticks(1)
    stage.supervisor.ledger.record("attempt_stopping", trial=0, attempt=1, why="prune")
    stage.supervisor._attempts._told.add((0, 1))
    assert stage.ticks() == "finished"
    assert stage.fold.trials[0].state == "complete"


def test_attempts_that_never_start_are_told_and_made_slowly(start: Start) -> None:
    stage = start({(0, n): "never_started" for n in range(1, 50)})
    stage.ticks(30)
    assert len(stage.fold.trials[0].attempts) < 10
    assert "trial 0" in (stage.fold.waiting or "")
    assert "runner" in (stage.fold.waiting or "")


def test_hours_survive_a_kill_although_nothing_but_epochs_was_told(start: Start) -> None:
    stage = start()
    stage.ticks(1)
    stage.supervisor.ledger.active_s = 5000.0
    stage.supervisor.ledger.record("attempt_reported", trial=0, attempt=1, epoch=1, value=1.0)
    assert stage.play.fold()._session_up == 5000.0


def test_a_trial_that_lives_on_another_machine_is_not_run_twice(start: Start) -> None:
    """A folder that two machines share; the supervisor of the other one is gone, its runner is not."""
    stage = start()
    stage.ticks(2)
    stage.supervisor.close()
    runner, sign = stage.attempt(0).runner, stage.attempt(0).system
    runner.write_text(json.dumps({"pid": 7, "ticks": 1, "boot": "theirs", "host": "elsewhere"}))
    sign.write_text("{}\n")
    stage.supervisor = stage.make()
    with pytest.raises(BusyError, match="trial 0 is running on elsewhere"):
        stage.supervisor.open()
    stage.supervisor.close()
    os.utime(sign, (1.0, 1.0))
    stage.supervisor = stage.make()
    stage.supervisor.open()  # dead, as far as anybody can tell


def test_signals_are_given_back(start: Start) -> None:
    before = signal.getsignal(signal.SIGINT)
    stage = start()
    stage.supervisor.close()
    assert signal.getsignal(signal.SIGINT) is before
