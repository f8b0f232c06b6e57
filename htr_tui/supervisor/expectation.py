"""How much memory a trial will take, from what attempts with like parameters took: pure, and O(new trials) to keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from htr_tui.files import to_plain
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.supervisor.placing import Need
from htr_tui.triage.knobs import guess_knobs

Memory = Literal["gpu", "host"]

OOM_FACTOR: Final = 1.5
"""An attempt that ran out of memory needed more than it got."""
_OOM: Final = {"gpu": "gpu_oom", "host": "host_oom"}


class Peaks:
    """The largest peaks by parameters: of just these, of the same batch size, of all."""

    def __init__(self) -> None:
        self._same: dict[int, int] = {}
        self._batch: dict[float, int] = {}
        self._most: int | None = None

    def learn(self, params: Mapping[str, Any], batch: float | None, peak: int) -> None:
        """An attempt took so many bytes."""
        key = _key(params)
        self._same[key] = max(peak, self._same.get(key, 0))
        if batch is not None:
            self._batch[batch] = max(peak, self._batch.get(batch, 0))
        self._most = max(peak, self._most or 0)

    def expect(self, params: Mapping[str, Any], batch: float | None) -> int | None:
        """The same parameters; else the same batch, the next larger one, or the largest scaled up; else the most."""
        same = self._same.get(_key(params))
        if same is not None:
            return same
        if batch is None or not self._batch:
            return self._most
        larger = [seen for seen in self._batch if seen >= batch]
        if larger:
            return self._batch[min(larger)]
        largest = max(self._batch)
        return int(self._batch[largest] * batch / largest) if largest > 0 else self._most


class Expectation:
    """A study's knowledge of memory, GPU and host."""

    def __init__(self, knobs: Mapping[str, str]) -> None:
        self._knobs = dict(knobs)
        self._peaks: dict[Memory, Peaks] = {"gpu": Peaks(), "host": Peaks()}
        self._version = 0
        self.has_used_gpus = False
        """Some attempt of the study was given a GPU."""
        self._is_unmeasured = False
        """Attempts trained on a GPU, and the driver did not tell what they held."""

    def learn(self, fold: StudyFold) -> None:
        """Read on from where the last call stopped."""
        if fold.version == self._version:
            return
        for trial in fold.changed_since(self._version):
            for attempt in trial.attempts:
                self.has_used_gpus = self.has_used_gpus or bool(attempt.devices)
                if attempt.state != "running":
                    self._learn_end(trial, attempt)
                    unmeasured = attempt.devices and attempt.epoch is not None and not attempt.peak_gpu_bytes
                    self._is_unmeasured = self._is_unmeasured or bool(unmeasured)
        self._version = fold.version

    def _learn_end(self, trial: TrialRecord, attempt: AttemptRecord) -> None:
        peaks: dict[Memory, int | None] = {"gpu": attempt.peak_gpu_bytes, "host": attempt.peak_rss_bytes}
        for memory, peak in peaks.items():
            is_oom = attempt.category == _OOM[memory]
            if peak and (is_oom or attempt.epoch is not None):  # one that died before it trained shows nothing
                self.observe(memory, in_force(trial, attempt), int(peak * OOM_FACTOR) if is_oom else peak)

    def observe(self, memory: Memory, params: Mapping[str, Any], peak: int) -> None:
        """An attempt with these parameters was seen to take so many bytes."""
        self._peaks[memory].learn(params, self._batch_of(params), peak)

    def need(self, memory: Memory, params: Mapping[str, Any], given: int | None) -> Need:
        """What a trial with these parameters will take; `given` by the user until one was measured."""
        measured = self._peaks[memory].expect(params, self._batch_of(params))
        if measured is not None:
            return Need(measured, "measured")
        if given is not None:
            return Need(given, "given")
        return Need(None, "share") if memory == "gpu" and self._is_unmeasured else Need()

    def _batch_of(self, params: Mapping[str, Any]) -> float | None:
        name = self._knobs.get("batch") or guess_knobs(params).get("batch")
        value = params.get(name) if name else None
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def in_force(trial: TrialRecord, attempt: AttemptRecord) -> dict[str, Any]:
    """The parameters that an attempt ran with."""
    return {**trial.params, **attempt.set}


def _key(params: Mapping[str, Any]) -> int:
    return hash(json.dumps(to_plain(dict(params)), sort_keys=True, default=str))
