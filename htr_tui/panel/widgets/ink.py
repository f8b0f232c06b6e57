"""The part of a style that lies on top of another: colour and weight of the letters, not the background."""

from __future__ import annotations

from functools import lru_cache

from rich.style import Style


@lru_cache(maxsize=512)
def ink(style: Style) -> Style:
    """`style` without its background.

    Textual's own partial style does not resolve automatic colours such as `$text-muted`.
    """
    return Style(
        color=style.color,
        bold=style.bold or None,
        italic=style.italic or None,
        underline=style.underline or None,
        reverse=style.reverse or None,
    )
