"""Errors that people can act on.

HtrError                 exit 1: the work failed
├── UsageError           exit 2: bad command line, bad name
│   └── ConfigError      exit 2: a study file with mistakes, all of them at once
├── BusyError            exit 1: somebody else holds what we need (names host and pid)
└── StorageError         exit 1: a folder or database cannot be read or written
    └── ForeignStudyError    exit 1: a database holds another study of this name
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


class HtrError(Exception):
    """What happened (`title`), to what (`message`), and what to do about it (`hint`)."""

    exit_code = 1

    def __init__(self, title: str, message: str = "", hint: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.title]
        if self.message:
            parts.append(self.message)
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n".join(parts)


class UsageError(HtrError):
    """The command line names something that does not exist or cannot be."""

    exit_code = 2


class BusyError(HtrError):
    """A study is already supervised, here or on another machine."""


class StorageError(HtrError):
    """A file, folder or database refuses us."""


class ForeignStudyError(StorageError):
    """A storage holds a study of the same name that is not ours; waiting does not help."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in a study file; the fields are the JSON of `htr-tui check`."""

    file: str
    line: int | None
    column: int | None
    key: str
    message: str
    allowed: str = ""
    suggestion: str = ""

    def describe(self) -> str:
        """One paragraph for people: place, key, what is wrong, what is allowed."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"
        if self.allowed:
            text += f"\n    allowed: {self.allowed}"
        if self.suggestion:
            text += f"\n    did you mean {self.suggestion}?"
        return text

    def as_json(self) -> dict[str, Any]:
        """The stable JSON form."""
        return asdict(self)


class ConfigError(UsageError):
    """All mistakes of one file; nothing has been started."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        count = f"{len(problems)} mistake" + ("s" if len(problems) != 1 else "")
        file = problems[0].file if problems else "?"
        super().__init__(f"{file}: {count}; nothing was started", "\n".join(p.describe() for p in problems))
        self.problems = problems
