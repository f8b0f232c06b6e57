"""A log of any size as numbered clean lines: the head and the tail whole, of a long middle only what looks fatal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from htr_tui.text import clean_segments

HEAD_BYTES: Final = 1 << 20
TAIL_BYTES: Final = 8 << 20
BLOCK_BYTES: Final = 4 << 20
LINE_BYTES: Final = 8192
"""Of a line; the deciding words of a failure stand early in theirs."""
MAX_MIDDLE_LINES: Final = 400
MIDDLE_CONTEXT_LINES: Final = 2

FATAL_WORDS: Final = (
    b"ut of memory", b"OutOfMemory", b"OOM when", b"RESOURCE_EXHAUSTED", b"CUDA_ERROR", b"CUDNN_STATUS", b"right-padded",
    b"bad_alloc", b"MemoryError", b"oom-kill", b"No space left", b"quota exceeded", b"loss = NaN", b"oss is nan",
    b"loss: nan", b"Bus error", b"Xid", b"DUE TO TIME LIMIT",
)  # fmt: skip
"""What is looked for in the middle of a long log."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One text that a line showed; a line with carriage returns showed several."""

    number: int
    """From 1."""
    text: str


@dataclass(frozen=True, slots=True)
class Log:
    """What was read of a log."""

    lines: list[LogLine]
    skipped: int = 0
    """Lines of the middle that were only searched for a few words."""


def read_log(path: Path) -> Log:
    """Read a log; OSError if it cannot be opened. Line numbers are those of the file, whatever was skipped."""
    with open(path, "rb") as file:
        encoding = _utf16(file.read(4096))
        size = os.fstat(file.fileno()).st_size
        if size <= HEAD_BYTES + TAIL_BYTES:
            file.seek(0)
            return Log(_numbered(_decoded(file.read(), encoding), 1))
        return _read_long(file, size, encoding)


def _utf16(start: bytes) -> str | None:
    """PowerShell's redirection writes UTF-16; it shows as a mark or as every other byte being zero."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16-le" if start[:2] == b"\xff\xfe" else "utf-16-be"
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if len(start) >= 16 and max(even, odd) > 0.35 * len(start) and min(even, odd) < 0.05 * len(start):
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _decoded(data: bytes, encoding: str | None) -> bytes:
    """`data` as UTF-8 where it is UTF-16, else as it is."""
    if encoding is None:
        return data
    return data.decode(encoding, "replace").replace("\ufeff", "").encode("utf-8", "replace")


def _newline(encoding: str | None) -> bytes:
    return {None: b"\n", "utf-16-le": b"\n\0", "utf-16-be": b"\0\n"}[encoding]


def _read_long(file: BinaryIO, size: int, encoding: str | None) -> Log:
    newline = _newline(encoding)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    head = head[: head.rfind(newline) + len(newline)] or head
    lines = _numbered(_decoded(head, encoding), 1)
    number = 1 + head.count(newline)
    first_skipped = number
    middle: list[LogLine] = []
    for block in _blocks(file, len(head), size - TAIL_BYTES, newline):
        if encoding is None and len(middle) < MAX_MIDDLE_LINES:
            middle += _fatal_lines(block, number, MAX_MIDDLE_LINES - len(middle))
        number += block.count(newline)
    skipped = number - first_skipped
    tail = file.read(max(0, size - file.tell()))
    return Log(lines + middle + _numbered(_decoded(tail, encoding), number), skipped)


def _blocks(file: BinaryIO, start: int, end: int, newline: bytes) -> Iterator[bytes]:
    """The bytes from `start` to the first line's end after `end`, in blocks that end with a line."""
    file.seek(start)
    rest = b""
    while (position := file.tell()) < end:
        data = rest + file.read(min(BLOCK_BYTES, end - position))
        cut = data.rfind(newline) + len(newline)
        if cut >= len(newline):
            yield data[:cut]
            rest = data[cut:]
        else:
            yield data  # one endless line: it has no number of its own to lose
            rest = b""
    file.seek(end - len(rest))


def _fatal_lines(block: bytes, number: int, limit: int) -> list[LogLine]:
    starts: set[int] = set()
    for word in FATAL_WORDS:
        at = block.find(word)
        while at >= 0 and len(starts) < limit:
            starts.add(block.rfind(b"\n", 0, at) + 1)
            end = block.find(b"\n", at)
            at = -1 if end < 0 else block.find(word, end)
    lines: list[LogLine] = []
    counted, line = 0, number
    for start in sorted(starts):
        line += block.count(b"\n", counted, start)
        counted = start
        lines += _numbered(
            b"\n".join(block[start : start + 4 * LINE_BYTES].split(b"\n")[: 1 + MIDDLE_CONTEXT_LINES]), line
        )
    return lines[:limit]


def _numbered(data: bytes, first: int) -> list[LogLine]:
    return [
        LogLine(number, text)
        for number, raw in enumerate(data.split(b"\n"), first)
        if raw
        for text in clean_segments(raw, LINE_BYTES)
        if text
    ]
