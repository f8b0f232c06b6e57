"""A thread that works in short steps and can be woken or stopped at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from textual.message import Message

RETRY_S = 5.0
"""Seconds until a step that failed is tried again."""


class MessageTarget(Protocol):
    """Where a feed's notices go; the app, or a list in a test. Must be safe to call from a thread."""

    def post_message(self, message: Message) -> bool:
        """Take a notice."""
        ...


class FeedThread:
    """Calls `step` again and again; its answer is the seconds to wait. Waiting ends at `wake` and `stop`."""

    def __init__(self, name: str, step: Callable[[], float], failed: Callable[[str], None]) -> None:
        self._step = step
        self._failed = failed
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.steps = 0
        """Steps done; counted for tests and the idle budget."""

    @property
    def is_stopping(self) -> bool:
        """Whether a long step should end at its next convenience."""
        return self._stopping

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Do the next step now."""
        self._wake.set()

    def stop(self, timeout: float = 2.0) -> None:
        """End after the step in progress and wait for that."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                delay = self._step()
            except Exception as error:  # a worker's end: told to the user, tried again
                self._failed(f"{type(error).__name__}: {error}")
                delay = RETRY_S
            self.steps += 1
            if not self._stopping:
                self._wake.wait(delay)
