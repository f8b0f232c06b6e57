"""Metrics out of a JSON file that a trainer writes anew again and again, or appends lines to."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from htr_tui.metrics.collector import Reading
from htr_tui.metrics.epochs import EpochRule
from htr_tui.metrics.growing import Place, open_regular
from htr_tui.metrics.json_shapes import Key, Shapes

MAX_JSON = 32 << 20
"""Bytes; a larger file is no record of metrics."""
SLOW_S, REST = 0.05, 10.0
"""A file that takes long to read (seconds) is then left alone for so many times that, lest it takes all our time."""


class JsonSource:
    """Reads the whole file when it has changed. Half of a file is no mistake: it is looked at again."""

    def __init__(self, place: Place, rule: EpochRule, at: tuple[Key, ...] = ()) -> None:
        self._place = place
        self._shapes = Shapes(rule, at)
        self._looked_at: tuple[int, ...] | None = None
        self._not_before = 0.0
        self._bad_lines = 0
        self._trouble = ""

    @property
    def skipped(self) -> int:
        """Parts of the file as it is now that were no metrics."""
        return self._bad_lines + self._shapes.skipped

    @property
    def trouble(self) -> str:
        """Why nothing is found."""
        return self._trouble or self._shapes.trouble

    def read(self, deadline: float, *, final: bool) -> Reading:
        """All that the file says, if it has changed."""
        began = time.monotonic()
        if began < self._not_before and not final:
            return Reading()
        text = self._read_changed()
        if text is None:
            return Reading()
        values, bad_lines = parse_json(text)
        if values is None:
            self._trouble = f"{self._place.path} is not (yet) JSON"
            return Reading()
        self._trouble, self._bad_lines = "", bad_lines
        found = list(self._shapes.observations(values))
        took = time.monotonic() - began
        self._not_before = began + took + (REST * took if took > SLOW_S else 0.0)
        return Reading(found)

    def _read_changed(self) -> str | None:
        """The file's text; None where it is what it was, or cannot be read."""
        path = self._place.find()
        if path is None:
            self._trouble = f"there is no file {self._place.path}"
            return None
        try:
            fd = open_regular(path)
            with open(fd, "rb") as file:
                facts = os.fstat(fd)
                look = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
                if look == self._looked_at:
                    return None
                self._looked_at = look
                data = file.read(MAX_JSON + 1)
        except OSError as error:
            self._trouble = f"{path}: {error.strerror}"
            return None
        if len(data) > MAX_JSON:
            self._trouble = f"{path} is larger than {MAX_JSON >> 20} MB"
            return None
        return data.decode("utf-8-sig", "replace")


def parse_json(text: str) -> tuple[Any, int]:
    """(what the text says, lines of it that were garbage); (None, 0) for half of a file.

    Objects on lines of their own are a list of them; the last line may be half.
    """
    try:
        return _loads(text), 0
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data"):
            return None, 0
    except (ValueError, RecursionError):
        return None, 0
    lines = [line for line in text.splitlines() if line.strip()]
    values = [value for line in lines if isinstance(value := _line_value(line), dict)]
    has_torn_end = not text.endswith("\n") and lines and _line_value(lines[-1]) is None
    return (values, len(lines) - len(values) - bool(has_torn_end)) if values else (None, 0)


def _line_value(line: str) -> Any:
    try:
        return _loads(line)
    except (ValueError, RecursionError):
        return None


def _loads(text: str) -> Any:
    return json.loads(text, parse_int=_whole)


def _whole(digits: str) -> int | float:
    """A whole number, or a float where Python refuses so many digits."""
    return int(digits) if len(digits) < 400 else float(digits)


def keys_of(path: str) -> tuple[Key, ...]:
    """`history.0.metrics` as the keys that lead there."""
    return tuple(int(part) if part.isdecimal() else part for part in path.split("."))
