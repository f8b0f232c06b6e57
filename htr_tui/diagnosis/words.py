"""Numbers, times and names in sentences."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from htr_tui.text import clean_text

LISTED = 10
"""Trials that a sentence names; the others are counted."""

NAME_LIMIT = 60


def count(number: int, noun: str) -> str:
    """Like `1 trial`, `28 trials`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(numbers: Sequence[int]) -> str:
    """Like `trial 4`, `trials 4, 9 and 14`, `trials 0, 1, 2, ... and 18 more`."""
    shown = [str(number) for number in numbers[:LISTED]]
    if len(numbers) > LISTED:
        return f"trials {', '.join(shown)} and {len(numbers) - LISTED} more"
    if len(shown) > 1:
        return f"trials {', '.join(shown[:-1])} and {shown[-1]}"
    return f"trial {shown[0]}" if shown else "no trial"


def number(value: float) -> str:
    """A value with four digits."""
    return f"{value:.4g}"


def percent(part: int, whole: int) -> str:
    """Like `28 of 40 (70 %)`."""
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else f"{part} of 0"


def name(text: str) -> str:
    """A parameter's or metric's name as harmless text."""
    return clean_text(text, NAME_LIMIT) or "(a name that cannot be shown)"


def names(texts: Iterable[str]) -> str:
    """Several names."""
    return ", ".join(name(text) for text in texts)


def moment(t: float) -> str:
    """A time of day of this machine, like `2024-03-01 10:40`."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(t))
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def duration(seconds: float) -> str:
    """In the unit that fits: `12 minutes`, `3 hours`, `629 days`."""
    for size, unit in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= 2 * size or (unit == "minute" and seconds >= size):
            return count(round(seconds / size), unit)
    return count(max(0, round(seconds)), "second")
