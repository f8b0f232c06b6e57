"""Atomic writes, growing files, and JSON that every reader accepts.

One writer per file: whole files are replaced by write, flush, fsync, rename; growing files get complete lines.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_READ = 1 << 20
"""Bytes one `TailReader.read` takes at most, so that a caller's tick stays short."""

MAX_LINE = 1 << 20
"""A longer line of JSON is garbage; it is skipped and counted."""

_PASSING = frozenset(
    {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN}
)
"""Refusals to read a file that say nothing of whether it is there."""

OVERLONG = b"\0"
"""Given out for a piece of a line that is too long: it parses as nothing, so it is counted."""


def to_plain(value: Any) -> Any:
    """`value` with NaN and infinities as the strings "nan", "inf", "-inf" (bare NaN is not JSON)."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    return value


def to_number(value: Any) -> float | None:
    """A metric's value as a float ("nan", "inf", "-inf" are numbers); None where it is none."""
    if type(value) is float:  # nearly always
        return value
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    return None


def dump_line(record: dict[str, Any]) -> bytes:
    """One JSON object as a line."""
    return json.dumps(to_plain(record), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The object on a line, or None for garbage of any kind."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


_decode_one = json.JSONDecoder().raw_decode


def parse_lines(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The objects on the lines of `data`, and the number of lines that hold none; blank lines count as nothing.

    Gives what `parse_line` gives for each line, in about half the time: one decoding for all of them.
    """
    records: list[dict[str, Any]] = []
    skipped = 0
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        return _parse_each(data.split(b"\n"))
    for line in lines:
        try:
            record, end = _decode_one(line)
            if end != len(line) or not isinstance(record, dict):
                raise ValueError
        except (ValueError, RecursionError):  # garbage, a blank line, or an object that stands among spaces
            found, count = _parse_each([line.encode()])
            records += found
            skipped += count
        else:
            records.append(record)
    return records, skipped


def _parse_each(lines: list[bytes]) -> tuple[list[dict[str, Any]], int]:
    parsed = [parse_line(line) for line in lines if line.strip()]
    records = [record for record in parsed if record is not None]
    return records, len(parsed) - len(records)


def fsync_directory(path: Path) -> None:
    """Make a rename in `path` survive a power cut, where the file system can."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError:
        pass
    finally:
        os.close(fd)


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `data`: readers see the old or the new content, never a part.

    Not `durable`: a power cut may take it, for what can be made again; the death of any process takes nothing.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        fsync_directory(path.parent)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Replace `path` by `record` as JSON."""
    write_atomic(
        path,
        (json.dumps(to_plain(record), ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8", "replace"),
    )


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None if it is missing, unreadable or not an object."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return parse_line(data)


def read_json_surely(path: Path) -> dict[str, Any] | None:
    """Like `read_json`; OSError where a network or a table of files that is full keeps us from knowing.

    For those who would do something that cannot be undone if the file is not there.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        if error.errno in _PASSING:
            raise
        return None
    return parse_line(data)


class LineAppender:
    """The single writer of a growing file of JSON lines.

    A torn last line (crash, full disk) is ended before the next one, so that it costs itself only.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._torn = self._ends_torn()

    def is_current(self) -> bool:
        """Whether the path still leads to the file that is written; False once somebody removed or replaced it."""
        held = os.fstat(self._fd)
        try:
            now = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # a network that is down for a moment
        return (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino)

    def _ends_torn(self) -> bool:
        size = os.fstat(self._fd).st_size
        return size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"

    def append(self, *records: dict[str, Any], durable: bool = True) -> None:
        """Write the records as whole lines; OSError (a full disk) leaves the file readable.

        Not `durable`: they outlive every process at once, and a power cut from the next durable ones on.
        """
        data = b"".join(dump_line(record) for record in records)
        if self._torn:
            data = b"\n" + data
        before, written = os.fstat(self._fd).st_size, 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            self._torn = self._torn or written > 0
            if written:
                self._take_back(before)
            raise
        self._torn = False
        if self._durable and durable:
            os.fsync(self._fd)

    def _take_back(self, size: int) -> None:
        """Half of what was to be written together is worse than nothing of it."""
        try:
            os.ftruncate(self._fd, size)
        except OSError:
            return
        self._torn = self._ends_torn()

    def close(self) -> None:
        """Close the file; appending afterwards is an error."""
        os.close(self._fd)


@dataclass(slots=True)
class TailReader:
    """Follows a growing file of lines by `stat`, from a remembered offset.

    Survives a file that is missing, truncated (starts again at 0, `restarts` counts) or replaced (by inode).
    Only whole lines are given out; the partial last line waits for its end.
    """

    path: Path
    offset: int = 0
    """Bytes given out so far, always at the start of a line."""
    restarts: int = 0
    _identity: tuple[int, int] | None = None

    def read_lines(self, limit: int = MAX_READ) -> list[bytes]:
        """The next whole lines, without their newline; at most about `limit` bytes."""
        data = self._read(limit)
        return [] if data is None else data.split(b"\n")

    def read_records(self, limit: int = MAX_READ) -> tuple[list[dict[str, Any]], int]:
        """The next records and the number of lines that were none."""
        data = self._read(limit)
        return ([], 0) if data is None else parse_lines(data)

    def _read(self, limit: int) -> bytes | None:
        """The next whole lines without the last newline; None if there is none."""
        try:
            with open(self.path, "rb") as file:
                stat = os.fstat(file.fileno())
                identity = (stat.st_dev, stat.st_ino)
                was_replaced = self._identity not in (None, identity)
                if was_replaced or stat.st_size < self.offset:
                    self.offset = 0
                    self.restarts += 1
                self._identity = identity
                if stat.st_size == self.offset:
                    return None
                file.seek(self.offset)
                data = file.read(limit)
                end = data.rfind(b"\n")
                while end < 0 and len(data) < MAX_LINE and (more := file.read(limit)):
                    data += more
                    end = data.rfind(b"\n")
        except OSError:
            return None
        if end < 0 and len(data) < MAX_LINE:
            return None
        if end < 0:
            self.offset += len(data)
            return OVERLONG
        self.offset += end + 1
        return data[:end]


def iterate_records(path: Path) -> Iterator[dict[str, Any]]:
    """All whole records of a file of JSON lines."""
    reader = TailReader(path)
    while True:
        before = reader.offset
        records, _ = reader.read_records(8 * MAX_READ)
        yield from records
        if reader.offset == before:
            return
