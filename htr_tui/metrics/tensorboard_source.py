"""Metrics out of the event files of a TensorBoard folder, while they grow."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_tui.metrics.collector import Observation, Reading
from htr_tui.metrics.epochs import EpochRule, NameFilter, StepEpochs, StepValue
from htr_tui.metrics.growing import Place, files_below, open_regular
from htr_tui.metrics.tfevents import (
    FOOTER,
    HEADER,
    MAX_RECORD,
    Corrupt,
    Scalar,
    check_data,
    record_length,
    scalars_of,
)

MAX_FILES = 1000
"""Names looked at below the folder."""
MAX_DEPTH = 5
READ = 1 << 18
"""Bytes taken at once."""


@dataclass(slots=True)
class _EventFile:
    """How far one file was read."""

    path: Path
    prefix: str
    """The folder below the root, as `train/`; empty in the root."""
    file: tuple[int, int] | None = None
    looked_at: tuple[int, int] = (-1, -1)
    """Size and time at the last look."""
    offset: int = 0
    bad: int = 0
    stuck_at: int = -1
    """Where a record was found broken; counted once, looked at again, for it may be half written."""
    is_done: bool = True


class TensorboardSource:
    """Follows every event file of a folder; the folders below it name their metrics (`train/`, `validation/`).

    A run that was started again writes another file; what it says of a step again counts.
    """

    def __init__(self, place: Place, rule: EpochRule, only: Sequence[str] = ()) -> None:
        self._place = place
        self._rule = rule
        self._filter = NameFilter(only)
        self._epochs = StepEpochs(rule)
        self._files: dict[Path, _EventFile] = {}
        self._trouble = ""

    @property
    def skipped(self) -> int:
        """Broken records, and steps that are none."""
        return sum(file.bad for file in self._files.values()) + self._epochs.skipped

    @property
    def trouble(self) -> str:
        """Why nothing is found."""
        return self._trouble

    def read(self, deadline: float, *, final: bool) -> Reading:
        """Files in the order of their names, which is that of their making, until the deadline."""
        self._look_for_files()
        values: list[StepValue] = []
        is_done = True
        for file in list(self._files.values()):
            while True:
                for scalar in _read(file):
                    name = file.prefix + scalar.tag
                    if self._filter.takes(name) or self._rule.name in (name, scalar.tag):
                        values.append(StepValue(name, scalar.step, scalar.value, scalar.t))
                if file.is_done:
                    break
                if time.monotonic() > deadline:
                    is_done = False
                    break
            if not is_done:
                break
        found: list[Observation] = list(self._epochs.take(values, final=final and is_done))
        return Reading(found, is_done)

    def _look_for_files(self) -> None:
        root = self._place.find()
        self._trouble = f"there is no folder {self._place.path}" if root is None else ""
        if root is None:
            return
        if any(map(_was_rewritten, self._files.values())):
            # All of them are read again: values that are counted count from the first.
            self._files, self._epochs = {}, StepEpochs(self._rule)
        for path in files_below(root, "tfevents", depth=MAX_DEPTH, limit=MAX_FILES):
            if path not in self._files and self._is_own(path):
                folder = path.parent.relative_to(root).as_posix()
                self._files[path] = _EventFile(path, "" if folder == "." else f"{folder}/")
        if not self._files:
            self._trouble = f"there is no event file in {root}"

    def _is_own(self, path: Path) -> bool:
        """Not what an earlier attempt left in a folder that it shares with this one."""
        try:
            return self._place.is_own(path, path.stat())
        except OSError:
            return False


def _was_rewritten(file: _EventFile) -> bool:
    """Another file, a shorter one, or one of the same size written anew."""
    try:
        facts = file.path.stat()
    except OSError:
        return False
    size, time_ns = file.looked_at
    is_new = file.file is not None and file.file != (facts.st_dev, facts.st_ino)
    return is_new or facts.st_size < file.offset or (facts.st_size == size and facts.st_mtime_ns != time_ns)


def _read(file: _EventFile) -> list[Scalar]:
    """The scalars of the next whole records."""
    try:
        fd = open_regular(file.path)
    except OSError:
        file.is_done = True
        return []
    try:
        return _read_from(file, fd)
    except OSError:
        file.is_done = True
        return []
    finally:
        os.close(fd)


def _read_from(file: _EventFile, fd: int) -> list[Scalar]:
    facts = os.fstat(fd)
    identity = (facts.st_dev, facts.st_ino)
    if file.file not in (None, identity) or facts.st_size < file.offset:
        file.is_done = True  # just replaced: the next look sees it
        return []
    file.file, file.looked_at = identity, (facts.st_size, facts.st_mtime_ns)
    data = os.pread(fd, min(READ, facts.st_size - file.offset), file.offset)
    scalars: list[Scalar] = []
    place = 0
    while place + HEADER <= len(data):
        try:
            length = record_length(data[place : place + HEADER])
        except Corrupt:
            _stuck(file, file.offset + place)
            file.offset += place
            file.is_done = True
            return scalars
        end = place + HEADER + length + FOOTER
        if length > MAX_RECORD:
            if file.offset + end > facts.st_size:
                break
            place = end
            continue
        if end > len(data):
            break
        scalars += _scalars(file, data[place + HEADER : end - FOOTER], data[end - FOOTER : end])
        place = end
    file.offset += place
    # Whoever came on looks once more; what is left then is a half record.
    file.is_done = place == 0 or file.offset >= facts.st_size
    return scalars


def _scalars(file: _EventFile, data: bytes, footer: bytes) -> list[Scalar]:
    try:
        check_data(data, footer)
        return scalars_of(data)
    except Corrupt:
        file.bad += 1
        return []


def _stuck(file: _EventFile, offset: int) -> None:
    if file.stuck_at != offset:
        file.stuck_at = offset
        file.bad += 1
