"""One line on top: where you are and how it stands; the least important part goes first when it gets narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.widget import Widget

GAP = 2


@dataclass(frozen=True, slots=True)
class HeaderPart:
    """A piece of the header."""

    text: str
    look: str = "plain"
    """Name of a component class after `header--`: plain, name, good, bad, warn, dim."""
    rank: int = 1
    """The higher, the sooner it is left out; 0 always stays."""
    is_right: bool = False
    """Whether it stands at the right end."""


class HeaderLine(Widget):
    """Draws header parts in one row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "header--plain",
        "header--name",
        "header--good",
        "header--bad",
        "header--warn",
        "header--dim",
    }
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parts: tuple[HeaderPart, ...] = ()

    def show(self, parts: Sequence[HeaderPart]) -> None:
        """Draw other parts; nothing happens if they are the same."""
        shown = tuple(part for part in parts if part.text)
        if shown != self._parts:
            self._parts = shown
            self.refresh()

    def render(self) -> Text:
        """The row, as wide as the screen."""
        width = self.size.width
        kept = fit(self._parts, width - 2)
        left = self._join([part for part in kept if not part.is_right])
        right = self._join([part for part in kept if part.is_right])
        space = max(GAP, width - 2 - left.cell_len - right.cell_len)
        line = Text(" ", no_wrap=True, overflow="ellipsis", end="")
        line.append_text(left)
        if right.cell_len:
            line.append(" " * space)
            line.append_text(right)
        return line

    def _join(self, parts: Sequence[HeaderPart]) -> Text:
        line = Text(end="")
        for index, part in enumerate(parts):
            line.append(" " * GAP if index else "")
            line.append(part.text, self.get_component_rich_style(f"header--{part.look}"))
        return line


def fit(parts: Sequence[HeaderPart], width: int) -> list[HeaderPart]:
    """The parts that find room in `width` cells, in their order."""
    kept = list(parts)
    while sum(cell_len(part.text) + GAP for part in kept) - GAP > width:
        worst = max(kept, key=lambda part: part.rank)
        if worst.rank == 0:
            break
        kept.remove(worst)
    return kept
