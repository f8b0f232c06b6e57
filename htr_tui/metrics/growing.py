"""Foreign files read on while they grow, are replaced, truncated or rewritten, a bounded piece at a time."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

CHUNK = 1 << 18
"""Bytes of one read; a line without an end within them is no line of ours."""
MARK = 1024
"""Bytes before the offset that must still be there, else the file is another one in the same place."""
MAX_CANDIDATES = 1000
"""Files looked at for one pattern."""
CLOCK_SLACK_S = 2.0
"""File times may be this much behind our clock (coarse stamps)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trainer's file is expected: a path, or a pattern whose newest file is meant."""

    path: str
    """Absolute; everything that is not meant as a pattern is escaped when `is_pattern`."""
    is_pattern: bool = False
    home: Path | None = None
    """The attempt's folder: what lies elsewhere may be older than the attempt, and is then not its own."""
    since: float | None = None
    """Unix seconds of the attempt's start."""
    taken: frozenset[str] = frozenset()
    """Names in the attempt's folder that are not the trainer's; a pattern does not mean them."""

    def find(self) -> Path | None:
        """The file (or folder) of now; None while there is none."""
        found = [(time_ns, path) for path in self._candidates() if (time_ns := self._time(Path(path))) is not None]
        return Path(max(found)[1]) if found else None

    def _candidates(self) -> list[str]:
        if not self.is_pattern:
            return [self.path]
        found = islice(glob.iglob(self.path), MAX_CANDIDATES)  # noqa: PTH207 - the pattern is absolute
        return [path for path in found if not (Path(path).name in self.taken and Path(path).parent == self.home)]

    def _time(self, path: Path) -> int | None:
        try:
            facts = path.stat()
        except (OSError, ValueError):
            return None
        return facts.st_mtime_ns if self.is_own(path, facts) else None

    def is_own(self, path: Path, facts: os.stat_result) -> bool:
        """Whether a file can be the attempt's: it lies in its folder, or has changed since its start."""
        is_inside = self.home is not None and path.is_relative_to(self.home)
        return is_inside or self.since is None or facts.st_mtime >= self.since - CLOCK_SLACK_S


def open_regular(path: Path) -> int:
    """A file descriptor for reading; OSError for pipes and devices, on which a reader would hang."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return fd


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines that were read on."""

    lines: tuple[bytes, ...] = ()
    is_done: bool = True
    """Whether no whole line is left for now."""
    restarted: bool = False
    """Another file is there, or it was written anew: what was read before is void."""


class GrowingFile:
    """Reads lines on from where it stopped. Knows a file that was replaced, even by one of at least the same size."""

    def __init__(self, place: Place, ends: bytes = b"\n") -> None:
        self.place = place
        self.skipped = 0
        """Lines that were too long."""
        self.trouble = ""
        self._ends = ends
        self._offset = 0
        self._file: tuple[int, int] | None = None
        self._looked_at: tuple[int, int] = (-1, -1)
        """Size and time of the file at the last look."""
        self._is_done = False
        """Whether that look left nothing, final or not."""
        self._was_final = False
        self._mark = b""
        self._is_inside_overlong = False

    def read(self, *, final: bool) -> Chunk:
        """The next lines. `final`: a last line without an end is whole."""
        path = self.place.find()
        if path is None:
            self.trouble = f"there is no file {self.place.path}"
            return Chunk()
        try:
            fd = open_regular(path)
        except OSError as error:
            self.trouble = f"{path}: {error.strerror}"
            return Chunk()
        try:
            return self._read(fd, final=final)
        except OSError as error:
            self.trouble = f"{path}: {error.strerror}"
            return Chunk()
        finally:
            os.close(fd)

    def _read(self, fd: int, *, final: bool) -> Chunk:
        facts = os.fstat(fd)
        is_same = self._file == (facts.st_dev, facts.st_ino) and self._looked_at == (facts.st_size, facts.st_mtime_ns)
        if is_same and self._is_done and final == self._was_final:
            return Chunk()
        self.trouble = ""
        restarted = self._was_replaced(fd, facts)
        self._file = (facts.st_dev, facts.st_ino)
        self._looked_at, self._was_final = (facts.st_size, facts.st_mtime_ns), final
        if restarted:
            self._offset, self._mark, self._is_inside_overlong = 0, b"", False
        # Not beyond the size of this look: so a file that has the same size at the next one has not grown.
        wanted = min(CHUNK, facts.st_size - self._offset)
        data = os.pread(fd, wanted, self._offset)
        at_end = len(data) < CHUNK
        lines, used = self._cut(data, is_whole=final and at_end, is_full=not at_end)
        if used:
            self._offset += used
            self._mark = (self._mark + data[:used])[-MARK:]
        self._is_done = at_end
        return Chunk(tuple(lines), at_end, restarted)

    def _was_replaced(self, fd: int, facts: os.stat_result) -> bool:
        """Another file, a shorter one, one of the same size written anew, or other bytes before the offset."""
        if self._file is None or not self._offset:
            return False
        if self._file != (facts.st_dev, facts.st_ino) or facts.st_size < self._offset:
            return True
        size, time_ns = self._looked_at
        if size == facts.st_size and time_ns != facts.st_mtime_ns:
            return True
        return os.pread(fd, len(self._mark), self._offset - len(self._mark)) != self._mark

    def _cut(self, data: bytes, *, is_whole: bool, is_full: bool) -> tuple[list[bytes], int]:
        """(lines, bytes taken): up to the last end of a line, or all of it."""
        end = max(data.rfind(bytes((byte,))) for byte in self._ends)
        if end < 0 and is_full:
            self.skipped += not self._is_inside_overlong
            self._is_inside_overlong = True
            return [], len(data)
        used = len(data) if is_whole else end + 1
        if not used:
            return [], 0
        body = data[:used]
        for byte in self._ends[1:]:
            body = body.replace(bytes((byte,)), self._ends[:1])
        lines = body.split(self._ends[:1])
        if not lines[-1]:
            lines.pop()
        if self._is_inside_overlong:
            self._is_inside_overlong = False
            lines = lines[1:]
        return lines, used


def files_below(folder: Path, mark: str, *, depth: int, limit: int) -> Iterator[Path]:
    """Regular files below a folder whose name contains `mark`, sorted by folder and name; links are not followed."""
    pending, seen = [(folder, 0)], 0
    while pending:
        current, level = pending.pop()
        try:
            with os.scandir(current) as entries:
                listed = sorted(islice(entries, limit), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in listed:
            seen += 1
            if seen > limit:
                return
            if entry.is_dir(follow_symlinks=False):
                if level < depth:
                    pending.append((current / entry.name, level + 1))
            elif mark in entry.name and entry.is_file(follow_symlinks=False):
                yield current / entry.name
