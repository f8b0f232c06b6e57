"""Python tracebacks in a log: where they stand, what was raised and where, which of them nobody minds."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from htr_tui.triage.reading import LogLine

MAX_TRACEBACK_LINES: Final = 600
_START: Final = "Traceback (most recent call last)"
_FRAME = re.compile(r'File "([^"]+)", line (\d+)|(?:│ ?|^)([\w./~-]+\.py):(\d+)\b')
_RAISED = re.compile(
    r"((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Interrupt|Exit|Failure|Timeout|Empty|Full|Expired|Warning|Iteration))"
    r"(?::\s?(.*))?$"
)
_BARE = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*)(?::\s(.*))?$")
_CODE = re.compile(r"\s{4}|\s*(?:-+> ?)?\d+ |\s*[│❱|]|\s*[\^~]+\s*$")


@dataclass(frozen=True, slots=True)
class Raised:
    """One traceback; the indexes count in the list of lines that was searched."""

    start: int
    end: int
    """Of the line that names the exception (or the last one that belongs to it)."""
    name: str = ""
    """Of the exception's class, without its module; empty where the log ends before it."""
    message: str = ""
    file: str = ""
    line: int = 0
    """Where it was raised: the innermost frame."""
    is_ignored: bool = False
    """`Exception ignored in`: printed by a finaliser, of no consequence."""
    is_cause_of_next: bool = False
    """The next traceback says that this one was its direct cause, or came while it was handled."""
    code: frozenset[int] = field(default_factory=frozenset)
    """Indexes of quoted source lines: their words say nothing."""

    @property
    def place(self) -> str:
        """`train.py:12`, or "" where no frame was seen."""
        return f"{self.file}:{self.line}" if self.file else ""


def find_tracebacks(lines: Sequence[LogLine]) -> list[Raised]:
    """All tracebacks, in the order of the log."""
    found = []
    starts = [i for i, line in enumerate(lines) if _START in line.text]
    for position, start in enumerate(starts):
        limit = starts[position + 1] if position + 1 < len(starts) else len(lines)
        raised = _parse(lines, start, min(limit, start + MAX_TRACEBACK_LINES))
        found.append(raised)
    return found


def _parse(lines: Sequence[LogLine], start: int, limit: int) -> Raised:
    prefix = _prefix(lines, start)
    file, number, code = "", 0, set()
    end, name, message = start, "", ""
    after_frame = False
    for i in range(start + 1, limit):
        text = lines[i].text.removeprefix(prefix)
        if frame := _FRAME.search(text):
            file, number = frame[1] or frame[3], int(frame[2] or frame[4])
            code.add(i)
            end, after_frame = i, True
        elif (raised := _RAISED.match(text)) or (after_frame and (raised := _BARE.match(text))):
            end, name, message = i, raised[1].rpartition(".")[2], raised[2] or ""
            break
        elif _CODE.match(text):
            code.add(i)
            end = i
    following = " ".join(line.text for line in lines[end + 1 : end + 8])
    return Raised(
        start, end, name, message, file, number,
        is_ignored=_is_ignored(lines, start),
        is_cause_of_next="the direct cause of the following" in following or "another exception occurred" in following,
        code=frozenset(code),
    )  # fmt: skip


def _is_ignored(lines: Sequence[LogLine], start: int) -> bool:
    """`Exception ignored in` stands above, with no other exception between; workers may write it in turns."""
    for i in range(start, max(-1, start - 6), -1):
        if "Exception ignored in" in lines[i].text:
            return True
        if _RAISED.match(lines[i].text):
            return False
    return False


def _prefix(lines: Sequence[LogLine], start: int) -> str:
    """What stands before each line of this traceback (`[rank0]: `); a progress bar stands before the first only."""
    prefix = lines[start].text.partition(_START)[0]
    following = lines[start + 1].text if start + 1 < len(lines) else ""
    return prefix if prefix and following.startswith(prefix) else ""


def last_bare_exception(lines: Sequence[LogLine], skip: Collection[int], within: int) -> int | None:
    """Index of the last line like `ValueError: ...` among the last `within`, for logs that hold no traceback."""
    for i in range(len(lines) - 1, max(-1, len(lines) - 1 - within), -1):
        match = re.search(r"(?:^|[\s:\]|>])((?:[a-zA-Z_]\w*\.)*[A-Z]\w*(?:Error|Exception))\b(?::|$)", lines[i].text)
        if match and i not in skip:
            return i
    return None
