"""A sparse line index over a growing file of any size: one number per block of bytes, brought up to date in slices.

The index keeps how many lines ended before each block of 256 KiB (4,096 numbers for 1 GB), not the lines. A line is
found by bisection and one look into its block. The file is followed by `stat`: a file that became shorter, was
replaced or was rewritten is indexed from its start again, and `restarts` counts it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

BLOCK: Final = 256 * 1024
"""Bytes between two entries of the index."""

SLICE: Final = 16 * 1024 * 1024
"""Bytes that one `step` reads at most, some milliseconds."""

LINE_LIMIT: Final = 64 * 1024
"""Bytes of one line that are given out; the rest is counted in a note at its end."""

SEARCH_CHUNK: Final = 1024 * 1024
"""Bytes searched at a time; of a longer line only so many are searched."""

CACHED_BLOCKS: Final = 8
PRINT_SIZE: Final = 64
"""Bytes at both ends of the indexed part that must stay as they were."""

Direction = Literal[1, -1]


@dataclass(frozen=True, slots=True)
class FindResult:
    """Where a search stands: `line` if found; else it goes on at `next_line` until `is_done`."""

    line: int | None
    next_line: int
    is_done: bool


class LogIndex:
    """The lines of a log by number, from 0. All methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restarts = 0
        """How often the file was truncated, replaced or rewritten."""
        self.size = 0
        """Bytes of the file when it was looked at last."""
        self.error: str | None = None
        """Why the file cannot be read; None for a readable file and for one that is not there yet."""
        self.is_missing = True
        self._lock = threading.RLock()
        self._identity: tuple[int, int] | None = None
        self._forget()

    def _forget(self) -> None:
        self._ended = array("Q", [0])
        """Lines that ended before byte `k * BLOCK`."""
        self._scanned = 0
        self._newlines = 0
        self._last_newline = -1
        self._head = b""
        self._tail = b""
        self._blocks: OrderedDict[int, tuple[bytes, list[int]]] = OrderedDict()

    @property
    def indexed_bytes(self) -> int:
        """Bytes indexed so far; `size` when up to date."""
        return self._scanned

    @property
    def has_partial_line(self) -> bool:
        """Whether the last line has no end yet, so that it may still change."""
        return self._scanned > self._last_newline + 1

    @property
    def line_count(self) -> int:
        """Lines indexed so far, a provisional last one without its end counted."""
        return self._newlines + (1 if self.has_partial_line else 0)

    def step(self, budget_bytes: int = SLICE) -> bool:
        """Look at the file and index at most about `budget_bytes` more; True if there is more to do."""
        with self._lock:
            try:
                with _open_regular(self.path) as file:
                    return self._scan(file, max(1, budget_bytes))
            except FileNotFoundError:
                self._restart_if_begun()
                self.is_missing, self.error, self._identity = True, None, None
            except OSError as error:
                self.error = error.strerror or type(error).__name__
            return False

    def read_lines(self, first: int, count: int) -> list[bytes]:
        """Lines from `first` on, without their ends (LF or CRLF); none where the file is no longer what was indexed."""
        with self._lock:
            stop = min(first + count, self.line_count)
            first = max(0, first)
            if first >= stop:
                return []
            try:
                with _open_regular(self.path) as file:
                    if not self._is_same(file):
                        return []
                    return [self._read_line(file, n) for n in range(first, stop)]
            except (OSError, _StaleIndexError):
                return []

    def find(
        self,
        pattern: bytes | re.Pattern[bytes],
        start_line: int,
        direction: Direction = 1,
        budget_bytes: int = SLICE,
    ) -> FindResult:
        """The next line with `pattern` from `start_line` on (included), upwards for direction -1.

        Reads about `budget_bytes` at most; when not done, call again from `next_line`. Only what is indexed is searched.
        """
        compiled = re.compile(re.escape(pattern)) if isinstance(pattern, bytes) else pattern
        with self._lock:
            line = max(0, start_line) if direction > 0 else min(start_line, self.line_count - 1)
            try:
                with _open_regular(self.path) as file:
                    while 0 <= line < self.line_count and budget_bytes > 0 and self._is_same(file):
                        start, end, following = self._search_span(file, line, direction)
                        data = os.pread(file.fileno(), end - start, start)
                        found = _match(compiled, data, direction)
                        if found is not None:
                            at = self._lines_before(file, start) + data.count(b"\n", 0, found)
                            return FindResult(at, at, True)
                        line, budget_bytes = following, budget_bytes - max(1, len(data))
                    is_done = not 0 <= line < self.line_count or not self._is_same(file)
            except (OSError, _StaleIndexError):
                is_done = True
        return FindResult(None, line, is_done)

    # --- following the file ----------------------------------------------------------------------------------------

    def _restart_if_begun(self) -> None:
        if self._scanned:
            self.restarts += 1
        self._forget()
        self.size = 0

    def _scan(self, file: BinaryIO, budget: int) -> bool:
        status = os.fstat(file.fileno())
        identity = (status.st_dev, status.st_ino)
        was_replaced = self._identity not in (None, identity)
        if was_replaced or status.st_size < self._scanned or not self._is_unchanged(file):
            self._restart_if_begun()
        self._identity, self.size = identity, status.st_size
        self.is_missing, self.error = False, None
        end = min(self.size, self._scanned + budget)
        while self._scanned < end:
            in_block = self._scanned % BLOCK
            data = os.pread(file.fileno(), min(BLOCK - in_block, end - self._scanned), self._scanned)
            if not data:
                self.size = self._scanned
                break
            self._take(data)
        return self._scanned < self.size

    def _take(self, data: bytes) -> None:
        self._newlines += data.count(b"\n")
        place = data.rfind(b"\n")
        if place >= 0:
            self._last_newline = self._scanned + place
        if len(self._head) < PRINT_SIZE:
            self._head += data[: PRINT_SIZE - len(self._head)]
        self._tail = (self._tail + data[-PRINT_SIZE:])[-PRINT_SIZE:]
        self._blocks.pop(self._scanned // BLOCK, None)
        self._scanned += len(data)
        if self._scanned % BLOCK == 0:
            self._ended.append(self._newlines)

    def _is_unchanged(self, file: BinaryIO) -> bool:
        """Whether both ends of the indexed part are as they were: a rewritten file may have grown past it."""
        if not self._scanned:
            return True
        head = os.pread(file.fileno(), len(self._head), 0)
        tail = os.pread(file.fileno(), len(self._tail), self._scanned - len(self._tail))
        return head == self._head and tail == self._tail

    def _is_same(self, file: BinaryIO) -> bool:
        status = os.fstat(file.fileno())
        return (status.st_dev, status.st_ino) == self._identity and status.st_size >= self._scanned

    # --- places ----------------------------------------------------------------------------------------------------

    def _block(self, file: BinaryIO, k: int) -> tuple[bytes, list[int]]:
        """Indexed bytes of a block and the places of its line ends."""
        found = self._blocks.get(k)
        if found is None:
            data = os.pread(file.fileno(), min(BLOCK, self._scanned - k * BLOCK), k * BLOCK)
            found = (data, [match.start() for match in re.finditer(b"\n", data)])
            self._blocks[k] = found
            while len(self._blocks) > CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(k)
        return found

    def _newline(self, file: BinaryIO, n: int) -> int:
        """The place of the n-th line end, from 1."""
        k = bisect_left(self._ended, n) - 1
        places = self._block(file, k)[1]
        i = n - self._ended[k] - 1
        if i >= len(places):
            raise _StaleIndexError
        return k * BLOCK + places[i]

    def _span(self, file: BinaryIO, n: int) -> tuple[int, int]:
        """First byte of line `n`, and the byte after its last (its end not counted)."""
        start = 0 if n == 0 else self._newline(file, n) + 1
        end = self._newline(file, n + 1) if n < self._newlines else self._scanned
        return start, end

    def _lines_before(self, file: BinaryIO, offset: int) -> int:
        """The number of line ends before a byte."""
        k = min(offset // BLOCK, len(self._ended) - 1)
        return self._ended[k] + bisect_left(self._block(file, k)[1], offset - k * BLOCK)

    # --- reading ---------------------------------------------------------------------------------------------------

    def _read_line(self, file: BinaryIO, n: int) -> bytes:
        start, end = self._span(file, n)
        if end - start > LINE_LIMIT:
            return self._read_long_line(file, start, end)
        k = start // BLOCK
        data = self._block(file, k)[0]
        if end <= k * BLOCK + len(data):
            line = data[start - k * BLOCK : end - k * BLOCK]
        else:
            line = os.pread(file.fileno(), end - start, start)
        return line.removesuffix(b"\r")

    def _read_long_line(self, file: BinaryIO, start: int, end: int) -> bytes:
        """A cut line; of a progress display that wrote over itself, the state it came to."""
        last = os.pread(file.fileno(), LINE_LIMIT, end - LINE_LIMIT).rstrip(b"\r")
        if b"\r" in last:
            return last.rpartition(b"\r")[2]
        kept = LINE_LIMIT - 64
        head = os.pread(file.fileno(), kept, start)
        return head + f" ... {end - start - kept} bytes more".encode()

    def _search_span(self, file: BinaryIO, line: int, direction: Direction) -> tuple[int, int, int]:
        """A span of whole lines next to `line` to search in, and the line to go on with."""
        start, end = self._span(file, line)
        if direction > 0:
            limit = start + SEARCH_CHUNK
            if limit >= self._scanned:
                return start, self._scanned, self.line_count
            after = self._lines_before(file, limit)
            if after <= line:
                return start, limit, line + 1
            return start, self._newline(file, after) + 1, after
        limit = max(0, end - SEARCH_CHUNK)
        if start <= limit:
            return start, min(end, start + SEARCH_CHUNK), line - 1
        first = self._lines_before(file, limit)
        if self._span(file, first)[0] < limit:
            first += 1
        return self._span(file, first)[0], end, first - 1


def _open_regular(path: Path) -> BinaryIO:
    """Open a file to read; what would block or never end (a pipe, a device) is refused."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file")
    return os.fdopen(fd, "rb", buffering=0)


class _StaleIndexError(Exception):
    """The file is shorter than what was indexed; the next `step` starts again."""


def _match(pattern: re.Pattern[bytes], data: bytes, direction: Direction) -> int | None:
    """Where the first or the last match begins."""
    if direction > 0:
        match = pattern.search(data)
        return match.start() if match else None
    place = None
    for match in pattern.finditer(data):
        place = match.start()
    return place
