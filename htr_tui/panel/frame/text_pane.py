"""A scrolling pane of plain lines that repaints only the lines that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, get_args

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from htr_tui.panel.frame.lines import Line, Look


class TextPane(ScrollView, can_focus=True):
    """Shows `Lines`."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"text-pane--{look}" for look in get_args(Look)}

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "Bottom", show=False),
    ]

    def __init__(self, *, id: str | None = None, can_focus: bool = True) -> None:
        super().__init__(id=id)
        self.can_focus = can_focus
        self._lines: tuple[Line, ...] = ()
        self.paints = 0
        """Lines that were drawn anew; counted for tests."""

    def show(self, lines: Sequence[Line]) -> None:
        """Draw other lines; nothing happens if they are the same."""
        before, self._lines = self._lines, tuple(lines)
        if len(before) != len(self._lines):
            self.paints += 1
            self.virtual_size = Size(0, len(self._lines))
            self.refresh(layout=self.styles.is_auto_height)
            return
        for row, (old, new) in enumerate(zip(before, self._lines, strict=True)):
            if old != new:
                self.paints += 1
                self.refresh(Region(0, row - self.scroll_offset.y, self.size.width, 1))

    @property
    def plain(self) -> str:
        """What it shows, without looks."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)

    @property
    def text_width(self) -> int:
        """Cells a line may have."""
        return max(10, self.size.width)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        row = y + self.scroll_offset.y
        width = self.size.width
        if not 0 <= row < len(self._lines):
            return Strip.blank(width, self.rich_style)
        segments = [
            Segment(text, self.get_component_rich_style(f"text-pane--{look}")) for text, look in self._lines[row]
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)
