"""What a widget shows, as lines of plain text."""

from __future__ import annotations

from textual.geometry import Region
from textual.widget import Widget


def shown_lines(widget: Widget) -> list[str]:
    """The lines of a widget as it would be drawn now, borders included."""
    size = widget.outer_size
    return [strip.text.rstrip() for strip in widget.render_lines(Region(0, 0, size.width, size.height))]


def shown_text(widget: Widget) -> str:
    """All lines of a widget as one text."""
    return "\n".join(shown_lines(widget))
