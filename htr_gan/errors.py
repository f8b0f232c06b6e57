"""Errors that people can act on; none of them shows a traceback.

GanError                 exit 1: the work failed
├── UsageError           exit 2: bad command line, a name that does not exist
│   ├── ConfigError      exit 2: a configuration with mistakes, all of them at once
│   └── BadLinesError    exit 2: lines that cannot be trained on, all of them at once
├── MissingFileError     exit 1: data or weights that should be there are not
├── DataError            exit 1: data that is there and cannot be used
├── CheckpointError      exit 2: a checkpoint that does not fit the configuration
└── NonFiniteLossError   exit 1: the loss became nan or infinite
StopRequested            not an error: the user asked to stop; exit 143
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_STOPPED = 143
"""128 + SIGTERM, whichever signal asked for the stop."""


class GanError(Exception):
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


class UsageError(GanError):
    """The command line asks for something that does not exist or cannot be."""

    exit_code = 2


class BadLinesError(UsageError):
    """Lines of a source that cannot be trained on; nothing has been imported."""


class MissingFileError(GanError):
    """A file or folder that the configuration names is not there."""

    def __init__(self, path: object, what: str, hint: str = "") -> None:
        super().__init__(f"No such file or directory: '{path}'", what, hint)


class DataError(GanError):
    """A data set that cannot be used: wrong shape, wrong letters, a damaged file."""


class CheckpointError(GanError):
    """A checkpoint whose network is not the one of the configuration."""

    exit_code = 2


class NonFiniteLossError(GanError):
    """The loss became nan or infinite; the last good checkpoint is untouched."""

    def __init__(self, value: float, epoch: int, step: int, where: str = "") -> None:
        what = f"loss becomes nan, {where} is no longer finite" if where else f"loss is {value}"
        super().__init__(
            f"nan_loss: {what} at epoch {epoch} step {step}",
            "Training ended; the last checkpoint is from before and still good.",
            "lower train.lr, or the weight of the loss term that grew",
        )


class StopRequested(Exception):
    """Unwinds to the caller that can write the checkpoint; raised between steps only."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in a configuration."""

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


class ConfigError(UsageError):
    """All mistakes of one configuration; nothing has been started."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        count = f"{len(problems)} mistake" + ("s" if len(problems) != 1 else "")
        file = problems[0].file if problems else "?"
        super().__init__(f"bad config: {file}: {count}; nothing was started", "\n".join(p.describe() for p in problems))
        self.problems = problems
