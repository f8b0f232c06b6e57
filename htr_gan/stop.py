"""The user's wish to stop, as a flag that long work asks between two steps."""

from __future__ import annotations

import signal
from types import FrameType

from htr_gan.errors import StopRequested


class StopFlag:
    """Set by SIGTERM or SIGINT (or by hand); never interrupts a step by itself."""

    def __init__(self) -> None:
        self.is_set = False
        self._set_by = 0

    def set(self, signal_number: int = signal.SIGTERM) -> None:
        """Ask for a stop at the next occasion."""
        self.is_set = True
        self._set_by = signal_number

    def check(self) -> None:
        """Raise `StopRequested` if a stop was asked for."""
        if self.is_set:
            raise StopRequested(signal.Signals(self._set_by).name)

    def listen(self) -> None:
        """Take SIGTERM and SIGINT; a second one of the same kind ends the process at once, as people expect."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.set(number)
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
