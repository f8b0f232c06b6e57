"""What the user asks of a running study: command files and signals, taken in their order, each obeyed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from htr_tui.errors import ForeignStudyError
from htr_tui.journal.commands import Command, pending_commands
from htr_tui.journal.records import AttemptRequest
from htr_tui.supervisor.ledger import StudyLedger
from htr_tui.supervisor.memory import SearchMemory


class TryLater(Exception):
    """A command cannot be obeyed now; its file stays."""


class Requests:
    """Turns commands into journal records; a command's file is removed once its effect stands there."""

    def __init__(self, ledger: StudyLedger, memory: SearchMemory) -> None:
        self._ledger = ledger
        self._memory = memory
        self._garbage: set[str] = set()
        self._put_off: set[str] = set()
        """Commands that were looked at last time and could not be obeyed yet."""
        self._handlers: dict[str, Callable[[Command], None]] = {
            "stop": self._stop,
            "pause": self._pause,
            "continue": self._continue,
            "retry": self._retry,
            "budget": self._budget,
            "enqueue": self._enqueue,
        }

    def take(self) -> bool:
        """Obey what is there; True if there was anything."""
        commands, garbage = pending_commands(self._ledger.paths)
        for path in garbage:
            self._put_aside(path)
        self._put_off.clear()
        for command in commands:
            try:
                self._obey(command)
            except TryLater:
                self._put_off.add(command.path.name)
                continue
            except (OSError, ForeignStudyError):
                raise  # a full disk, a storage of others: nothing happened, it is obeyed later
            except Exception as error:  # whatever it says, it must not be there for the next supervisor too
                self._ledger.note("warning", f"command {command.name} was refused: {error}")
            command.path.unlink(missing_ok=True)
        return bool(commands)

    @property
    def has_put_off(self) -> bool:
        """Whether something was asked for that has to wait for the search's storage."""
        return bool(self._put_off)

    def are_new(self) -> bool:
        """Whether something was asked for since the last `take`."""
        return any(command.path.name not in self._put_off for command in pending_commands(self._ledger.paths)[0])

    def _put_aside(self, path: Path) -> None:
        if path.name in self._garbage:
            return
        self._garbage.add(path.name)
        self._ledger.note("warning", f"a command file was not readable and was put aside: {path.name}")
        try:
            path.rename(path.with_suffix(".bad"))
        except OSError:
            pass  # it lies there, and is told once

    def _obey(self, command: Command) -> None:
        handler = self._handlers.get(command.name)
        if handler is None:
            raise ValueError("unknown command")
        handler(command)

    # -- the study -------------------------------------------------------------------------------------------------

    def stop(self, *, now: bool) -> None:
        """Stop the study; asked again it may only become more urgent."""
        fold = self._ledger.fold
        if fold.stop_requested is None or (now and fold.stop_requested != "now"):
            self._ledger.record("stop_requested", now=now)

    def continue_stopped(self) -> None:
        """Queue every stopped trial again, with what it was queued for when it was stopped."""
        for trial in self._ledger.fold.in_state("stopped"):
            wanted = trial.request or AttemptRequest()
            self._ledger.record(
                "trial_queued",
                trial=trial.number,
                reason="continue",
                fix=wanted.fix,
                set=wanted.set,
                env=wanted.env,
                fresh=wanted.fresh,
            )
            self._memory.changed(trial.number)

    def park_queued(self) -> None:
        """A stopped study leaves no trial waiting: what was queued is stopped too and keeps what it was queued for."""
        for trial in self._ledger.fold.in_state("queued"):
            self._ledger.record("trial_ended", trial=trial.number, state="stopped")
            self._memory.changed(trial.number)

    def _stop(self, command: Command) -> None:
        self.stop(now=bool(command.fields.get("now")))

    def _pause(self, command: Command) -> None:
        if self._ledger.fold.paused is None:
            self._ledger.record("study_paused", by="user", message="paused by the user")

    def _continue(self, command: Command) -> None:
        if self._ledger.fold.stop_requested:
            self._ledger.record("stop_cleared")
        if self._ledger.fold.paused is not None:
            self._ledger.record("study_continued")
        self.continue_stopped()

    def _budget(self, command: Command) -> None:
        trials = max(int(command.fields["trials"]), len(self._ledger.fold.trials))
        self._ledger.record("budget_changed", trials=trials)

    # -- trials ----------------------------------------------------------------------------------------------------

    def _retry(self, command: Command) -> None:
        fields = command.fields
        number = int(fields["trial"])
        trial = self._ledger.fold.trials[number]
        # A stopped trial was queued again by the start of this supervisor: what the user says of it counts.
        is_continued = trial.request is not None and trial.request.reason == "continue"
        if trial.state not in ("failed", "stopped", "pruned") and not (trial.state == "queued" and is_continued):
            raise ValueError(
                f"trial {number} is {trial.state}; only a failed, stopped or pruned trial can be tried again"
            )
        reason = "retry" if trial.state in ("failed", "pruned") else "continue"
        wanted = {key: fields[key] for key in ("fix", "set", "env", "fresh") if fields.get(key)}
        if not all(isinstance(wanted.get(key, {}), dict) for key in ("set", "env")):
            raise ValueError("set and env are no objects")
        self._ledger.record("trial_queued", trial=number, reason=reason, **wanted)
        self._memory.changed(number)

    def _enqueue(self, command: Command) -> None:
        """A trial typed by hand; while the search's storage does not answer the command waits."""
        if command.path.name in self._ledger.fold.commands_done:
            return
        fields: dict[str, Any] = command.fields
        asked, _ = self._memory.ask(
            self._ledger.fold, pinned=dict(fields.get("params") or {}), label=fields.get("label"), by="hand"
        )
        if asked is None:
            raise TryLater
        self._ledger.record(
            "trial_created",
            trial=asked.number,
            params=asked.params,
            label=asked.label,
            by="hand",
            command=command.path.name,
        )
        budget = self._ledger.fold.facts.trials
        if budget is not None and len(self._ledger.fold.trials) > budget:
            self._ledger.record("budget_changed", trials=len(self._ledger.fold.trials))
