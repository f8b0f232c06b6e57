"""Turns everything an app draws into ASCII, for terminals that show nothing else: borders and scrollbars too."""

from __future__ import annotations

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
    return to_ascii(segment.text) if segment.cell_length == len(segment.text) else _cell_by_cell(segment.text)


def _cell_by_cell(text: str) -> str:
    return "".join(to_ascii(character).ljust(width)[:width] for character, width in _cells(text))


def _cells(text: str) -> list[tuple[str, int]]:
    return [(character, Segment(character).cell_length) for character in text]
