"""A scrolling pane of plain lines that repaints only when they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from htr_tui.panel.frame.lines import Line, to_content


class TextPane(VerticalScroll):
    """Shows `Lines`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "Bottom", show=False),
    ]

    def __init__(self, *, id: str | None = None, can_focus: bool = True) -> None:
        super().__init__(id=id, can_focus=can_focus)
        self._lines: tuple[Line, ...] | None = None
        self.paints = 0
        """Times that other lines were drawn; counted for tests."""

    def compose(self) -> ComposeResult:
        """One Static."""
        yield Static("", markup=False)

    def show(self, lines: Sequence[Line]) -> None:
        """Draw other lines; nothing happens if they are the same."""
        shown = tuple(lines)
        if shown == self._lines:
            return
        has_other_height = self._lines is None or len(self._lines) != len(shown)
        self._lines = shown
        self.paints += 1
        self.query_one(Static).update(to_content(shown), layout=has_other_height)

    @property
    def plain(self) -> str:
        """What it shows, without looks."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines or ())

    @property
    def text_width(self) -> int:
        """Cells a line may have."""
        return max(10, self.scrollable_content_region.width)
