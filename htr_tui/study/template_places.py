"""What a dotted name can mean in a config file, and what is said where it means nothing."""

from __future__ import annotations

from collections.abc import Iterator


class TemplateError(ValueError):
    """A file that is not what its form says, or a place that cannot take a value; `line` counts from 1."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def prefixes(name: str) -> Iterator[tuple[str, str]]:
    """(key, rest) pairs that `name` can mean at a mapping: the whole as a key first, then split at each dot."""
    yield name, ""
    for index, character in enumerate(name):
        if character == "." and 0 < index < len(name) - 1:
            yield name[:index], name[index + 1 :]
