"""Cores and main memory: whether the machine still has enough of them for one more trial."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from htr_tui.devices.host import HostRoom
from htr_tui.files import parse_line
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.study.resources_spec import ResourcesSpec
from htr_tui.supervisor.expectation import Expectation, in_force
from htr_tui.supervisor.placing import MARGIN, gigabytes

TAIL: Final = 512
"""Bytes at the end of `system.jsonl` that hold its last line."""


@dataclass(frozen=True, slots=True)
class HostVerdict:
    """Why the machine has no room, or None; and what the user should know if it has."""

    reason: str | None = None
    kind: str = ""
    warning: str = ""


class HostGate:
    """Lets trials start while cores and memory last. The first one always starts: an empty machine refuses nothing."""

    def __init__(
        self, resources: ResourcesSpec, paths: StudyPaths, expectation: Expectation, room: Callable[[], HostRoom]
    ) -> None:
        self._resources = resources
        self._paths = paths
        self._expectation = expectation
        self._room = room

    def capacity(self) -> int:
        """How many trials the cores hold, for `parallel: auto` on a machine without GPUs; 1 if none are spoken of."""
        cores = self._resources.cores
        return max(1, int(self._room().cores // cores)) if cores else 1

    def obstacle(self, params: Mapping[str, Any], running: Sequence[tuple[TrialRecord, AttemptRecord]]) -> HostVerdict:
        """Whether a trial with these parameters must wait for others to end."""
        cores, given = self._resources.cores, self._resources.memory_gb
        if cores is None and given is None and (not running or self._resources.parallel != "auto"):
            return HostVerdict()
        room = self._room()
        if cores is not None and (found := self._by_cores(cores, room, len(running))):
            return found
        return self._by_memory(params, room, running)

    def _by_cores(self, cores: int, room: HostRoom, running: int) -> HostVerdict | None:
        free = room.cores - cores * running
        if free >= cores:
            return None
        if running:
            return HostVerdict(f"needs {cores} cores, {max(0.0, free):g} of {room.cores:g} are free", "cores")
        return HostVerdict(warning=f"resources.cores says {cores}, this machine has {room.cores:g}")

    def _by_memory(
        self, params: Mapping[str, Any], room: HostRoom, running: Sequence[tuple[TrialRecord, AttemptRecord]]
    ) -> HostVerdict:
        wanted = self._expected(params)
        if wanted is None:
            return HostVerdict()
        if not running:
            short = f"a trial needs about {gigabytes(wanted)} of memory, {gigabytes(room.memory_free)} is free"
            return HostVerdict(warning=short if wanted > room.memory_free else "")
        promised = sum(self._outstanding(trial, attempt) for trial, attempt in running)
        if room.memory_free - promised >= wanted:
            return HostVerdict()
        text = f"needs about {gigabytes(wanted)} of main memory, {gigabytes(room.memory_free)} free"
        if promised:
            text += f", {gigabytes(promised)} of it promised to running trials"
        return HostVerdict(f"{text} (resources.memory_gb says what a trial needs)", "memory")

    def _expected(self, params: Mapping[str, Any]) -> int | None:
        """What the user says; else, when he leaves the number of trials to us, what was measured, with a margin.

        A number that he chose stands: resident memory counts what processes share several times over, and would let
        his trials wait for memory that is there.
        """
        if self._resources.memory_gb is not None:
            return int(self._resources.memory_gb * 1e9)
        if self._resources.parallel != "auto":
            return None
        need = self._expectation.need("host", params, None)
        return None if need.bytes is None else int(need.bytes * MARGIN)

    def _outstanding(self, trial: TrialRecord, attempt: AttemptRecord) -> int:
        expected = self._expected(in_force(trial, attempt))
        if expected is None:
            return 0
        return max(0, expected - _resident(self._paths.attempt(trial.number, attempt.number).system))


def _resident(path: Path) -> int:
    """What an attempt holds now, by the last line of its runner; 0 if there is none yet."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            lines = file.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        size = (parse_line(line) or {}).get("rss_bytes")
        if isinstance(size, int):
            return size
    return 0
