"""What the supervisor wants of an executor; `LocalExecutor` is one, tests have another."""

from __future__ import annotations

from typing import Protocol

from htr_tui.executors.local import AttemptPhase
from htr_tui.journal.paths import AttemptPaths


class Executor(Protocol):
    """Starts, watches and stops attempts by their folders."""

    def start(self, attempt: AttemptPaths, *, keep_open: tuple[int, ...] = ()) -> None:
        """Start the runner of an attempt whose command.json is written; it inherits the descriptors."""
        ...

    def poll(self, attempt: AttemptPaths) -> AttemptPhase:
        """Where the attempt is now."""
        ...

    def stop(self, attempt: AttemptPaths, *, now: bool) -> None:
        """Ask for its end, with its grace time or at once."""
        ...

    def wait_handles(self, attempts: list[AttemptPaths]) -> list[int]:
        """Descriptors that become readable when an attempt ends."""
        ...

    def process_ids(self, attempt: AttemptPaths) -> set[int]:
        """Pids of the attempt's processes."""
        ...
