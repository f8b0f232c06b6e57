"""Asking a GPU driver that may never answer: a card that fell off the bus can block NVML for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from htr_tui.devices.nvml import DeviceReport, GpuSampler

FIRST_S: Final = 30.0
"""Without persistence mode a driver may take its time to wake up its cards."""
LATER_S: Final = 2.0


class Sampler(Protocol):
    """Whoever can say how the GPUs are."""

    def sample(self) -> DeviceReport:
        """The cards now; never raises."""
        ...


class PatientSampler:
    """Waits for the driver, but not for long: then it says that the driver is silent, and asks no second time."""

    def __init__(
        self,
        sampler: Sampler | None = None,
        *,
        first_s: float = FIRST_S,
        later_s: float = LATER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sampler = sampler if sampler is not None else GpuSampler()
        self._patience_s = first_s
        self._later_s = later_s
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._asked = 0.0
        self._answer: DeviceReport | BaseException | None = None

    def sample(self) -> DeviceReport:
        """The cards now, or a report with `is_silent`."""
        patience = 0.0
        if self._thread is None:
            patience, self._asked, self._answer = self._patience_s, self._clock(), None
            self._patience_s = self._later_s
            self._thread = threading.Thread(target=self._ask, name="nvml", daemon=True)
            self._thread.start()
        self._thread.join(patience)
        if self._thread.is_alive():
            waited = self._clock() - self._asked
            return DeviceReport(error=f"the GPU driver has not answered for {waited:.0f} s", is_silent=True)
        self._thread = None
        answer = self._answer
        if isinstance(answer, DeviceReport):
            return answer
        assert answer is not None
        raise answer

    def _ask(self) -> None:
        try:
            self._answer = self._sampler.sample()
        except BaseException as error:  # a bug: raised again where it is asked for
            self._answer = error
