"""Numbers, times and states as short text of even width; never colour, never markup."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Final

MISSING: Final = "—"
"""Stands for a value that is not there."""

STATE_MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "queued": ("○", "."),
    "running": ("●", ">"),
    "complete": ("✓", "+"),
    "pruned": ("◊", "-"),
    "failed": ("✗", "x"),
    "stopped": ("■", "="),
}
"""The mark of each trial state and its ASCII form; none of them is an emoji, which terminals draw two cells wide."""

_ASCII: Final = str.maketrans(
    {
        **dict.fromkeys("─━═╌╍┄┅┈┉╴╶▔▁▂▃", "-"),
        **dict.fromkeys("│┃║╎╏┆┇▏▕▌▐", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛╔╗╚╝╠╣╦╩╬┣┫┳┻╋▛▜▙▟▀▄", "+"),
        **dict.fromkeys("█▓■▪▇▆▅▊▉", "#"),
        **dict.fromkeys("░▒", "."),
        **dict.fromkeys("—–−‐‑", "-"),
        **dict.fromkeys("‘’‛", "'"),
        **dict.fromkeys("“”„", '"'),
        **dict.fromkeys("▲△↑", "^"),
        **dict.fromkeys("▼▽↓", "v"),
        **dict.fromkeys("▸▶►→❯", ">"),
        **dict.fromkeys("◂◀◄←", "<"),
        **dict.fromkeys("★☆✱", "*"),
        **dict.fromkeys("●", "o"),
        **dict.fromkeys("○·•", "."),
        "✓": "+",
        "✗": "x",
        "◊": "o",
        "◆": "@",
        "⚑": "!",
        "⚠": "!",
        "…": "~",
        "≠": "!",
        "≤": "<",
        "≥": ">",
        "×": "x",
        "°": " ",
        "\xa0": " ",
    }
)


def is_ascii_terminal(environ: Mapping[str, str] | None = None) -> bool:
    """Whether only ASCII can be shown: no UTF-8 locale, or a text console; `HTR_TUI_ASCII=0` or `1` decides by hand.

    Python itself turns a C locale into UTF-8 (PEP 538), so a `LANG` of C counts although `LC_CTYPE` says C.UTF-8.
    """
    environ = os.environ if environ is None else environ
    if (wish := environ.get("HTR_TUI_ASCII", "")) in ("0", "1"):
        return wish == "1"
    if environ.get("TERM") in ("linux", "vt100", "vt220"):
        return True
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C.UTF-8"
    if not environ.get("LC_ALL") and environ.get("LANG") in ("C", "POSIX") and locale in ("C.UTF-8", "C.utf8"):
        return True
    return "utf-8" not in locale.lower() and "utf8" not in locale.lower()


def to_ascii(text: str) -> str:
    """`text` in ASCII, every character replaced by one of the same width where there is one, `?` elsewhere."""
    if text.isascii():
        return text
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def duration(seconds: float | None) -> str:
    """A span of time in at most seven characters: 04:12, 2h14, 3d 04h."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    whole = int(max(0.0, seconds))
    if whole < 3600:
        return f"{whole // 60:02d}:{whole % 60:02d}"
    minutes = whole // 60
    if minutes < 24 * 60:
        return f"{minutes // 60}h{minutes % 60:02d}"
    hours = minutes // 60
    if hours < 10_000 * 24:
        return f"{hours // 24}d {hours % 24:02d}h"
    return ">27 y"


def clock_ago(t: float | None, now: float) -> str:
    """How long ago `t` was (both Unix seconds): 42 s ago; a time to come is told as such."""
    if t is None or not math.isfinite(t) or not math.isfinite(now):
        return MISSING
    gap = now - t
    if -5 < gap < 5:
        return "just now"
    text = _span(abs(gap))
    return f"{text} ago" if gap > 0 else f"in {text}"


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{min(seconds / 86400, 99_999):.0f} d"


def size_bytes(n: float | None) -> str:
    """An amount of memory with its unit; 1 GB is 10⁹ bytes, as in study files and commands."""
    if n is None or not math.isfinite(n):
        return MISSING
    value = float(n)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" or abs(value) >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return MISSING


def number(x: float | None, digits: int = 2) -> str:
    """`x` with fixed decimals; powers of ten where these would be too long or show nothing but zeros."""
    if x is None:
        return MISSING
    try:
        value = float(x)
    except (OverflowError, TypeError, ValueError):
        return "huge" if isinstance(x, int) else MISSING
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value != 0 and (abs(value) >= 1e7 or abs(value) < 0.5 * 10.0**-digits):
        return f"{value:.{min(digits, 2)}e}"
    return f"{value:.{digits}f}"


def bar(fraction: float | None, width: int, ascii: bool = False) -> str:
    """A bar of `width` cells; only what is begun shows a cell, only what is done is full."""
    if width <= 0:
        return ""
    full, empty = ("#", ".") if ascii else ("█", "░")
    if fraction is None or not math.isfinite(fraction):
        return ("-" if ascii else "╌") * width
    clipped = max(0.0, min(1.0, fraction))
    cells = round(clipped * width)
    if 0 < clipped < 1:
        cells = min(max(cells, 1), max(width - 1, 0))
    return full * cells + empty * (width - cells)


def state_mark(state: str, ascii: bool = False) -> str:
    """The one-cell mark of a trial state."""
    return STATE_MARKS.get(state, ("?", "?"))[1 if ascii else 0]


def state_symbol(state: str, ascii: bool = False) -> str:
    """Mark and word of a trial state, so that it can be told without colour."""
    return f"{state_mark(state, ascii)} {state}"


def eta_seconds(done: float | None, total: float | None, elapsed: float | None) -> float | None:
    """Seconds that are left at the pace so far; None while nothing can be said."""
    if done is None or total is None or elapsed is None:
        return None
    if not (math.isfinite(done) and math.isfinite(total) and math.isfinite(elapsed)) or done <= 0 or elapsed < 0:
        return None
    return max(0.0, total - done) * (elapsed / done)


def eta(done: float | None, total: float | None, elapsed: float | None) -> str:
    """What `eta_seconds` says, as a span of time."""
    return duration(eta_seconds(done, total, elapsed))
