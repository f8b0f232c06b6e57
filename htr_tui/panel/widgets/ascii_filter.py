"""Turns everything an app draws into ASCII, for terminals that show nothing else: borders and scrollbars too."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from htr_tui.panel.format import to_ascii


class AsciiFilter(LineFilter):
    """For `App.get_line_filters`; widgets that can draw better in ASCII do so themselves."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Replace what is not ASCII, keeping the width of each segment."""
        return [
            segment if segment.control or segment.text.isascii() else Segment(_as_wide(segment), segment.style)
            for segment in segments
        ]


def _as_wide(segment: Segment) -> str:
    """The text in ASCII; wide characters get a blank for their second cell, marks without width go."""
    width = segment.cell_length
    if width == len(segment.text) and all(cell_len(character) == 1 for character in segment.text):
        return to_ascii(segment.text)
    parts = [to_ascii(character)[: cell_len(character)].ljust(cell_len(character)) for character in segment.text]
    return "".join(parts).ljust(width)[:width]
