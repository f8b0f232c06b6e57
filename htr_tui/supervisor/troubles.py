"""What goes wrong in a tick: told in the journal, once, and kept from everything that can go on without it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from htr_tui.errors import ForeignStudyError
from htr_tui.supervisor.ledger import StudyLedger, say

REPEAT_S: Final = 1800.0
"""The same trouble is told again after so long."""


class Troubles:
    """Collects what the steps of a tick could not do, so that the other steps are done all the same."""

    def __init__(self, ledger: StudyLedger) -> None:
        self._ledger = ledger
        self._first: Exception | None = None
        self._told: dict[str, float] = {}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """A step whose failure is no reason to leave out the next ones; `raise_first` brings it back."""
        try:
            yield
        except ForeignStudyError:
            raise  # waiting does not help
        except Exception as error:
            self._first = self._first or error

    def raise_first(self) -> None:
        """The tick's first trouble, once everything else was done."""
        error, self._first = self._first, None
        if error is not None:
            raise error

    def tell(self, error: Exception) -> None:
        """In the log always, in the journal once in a while, where a full disk lets us."""
        self._first = None
        text, level = f"{error}; it is tried again, the rest of the study goes on", "warning"
        if not isinstance(error, OSError):
            text, level = (
                f"a mistake of htr-tui ({type(error).__name__}: {error}); the rest of the study goes on",
                "error",
            )
        is_new = time.monotonic() - self._told.get(text, -REPEAT_S) >= REPEAT_S
        if is_new and level == "error":
            say({"t": self._ledger.clock.time(), "traceback": "".join(traceback.format_exception(error))})
        if is_new and self._note(level, text):
            self._told[text] = time.monotonic()

    def _note(self, level: str, text: str) -> bool:
        try:
            self._ledger.note(level, text)
        except OSError as error:
            say({"t": self._ledger.clock.time(), "error": f"{error}; trying again"})
            return False
        return True
