"""Text for panes: plain lines of pieces with a look each; never markup, colours from the theme."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from htr_tui.panel.format import to_ascii
from htr_tui.text import clean_text

Look = Literal["plain", "dim", "good", "bad", "warn", "accent", "bold", "link"]
Piece = tuple[str, Look]
Line = tuple[Piece, ...]

_STYLES: Final[dict[Look, str]] = {
    "plain": "",
    "dim": "$foreground-muted",
    "good": "$text-success",
    "bad": "$text-error",
    "warn": "$text-warning",
    "accent": "$text-accent",
    "bold": "bold",
    "link": "$text-primary",
}


@dataclass(slots=True)
class Lines:
    """Collects the lines of a pane."""

    width: int = 80
    is_ascii: bool = False
    lines: list[Line] = field(default_factory=list)

    def add(self, *pieces: str | Piece) -> None:
        """One line; what is too long is cut."""
        line: list[Piece] = []
        room = max(1, self.width)
        for piece in pieces:
            text, look = piece if isinstance(piece, tuple) else (piece, "plain")
            text = self._clean(text)
            if cell_len(text) > room:
                text = set_cell_size(text, max(0, room - 1)) + ("~" if self.is_ascii else "…") if room else ""
            room -= cell_len(text)
            if text:
                line.append((text, look))
        self.lines.append(tuple(line))

    def blank(self) -> None:
        """An empty line, unless the last one is."""
        if self.lines and self.lines[-1]:
            self.lines.append(())

    def heading(self, text: str) -> None:
        """A title with air above it."""
        self.blank()
        self.add((text, "bold"))

    def wrap(self, text: str, look: Look = "plain", indent: str = "", limit: int = 40) -> None:
        """A paragraph over as many lines as it needs, at most `limit`."""
        room = max(8, self.width - cell_len(indent))
        wrapped = list(wrap_words(self._clean(text, 8000), room))
        for line in wrapped[:limit]:
            self.add(indent, (line, look))
        if len(wrapped) > limit:
            self.add(indent, (f"and {len(wrapped) - limit} lines more", "dim"))

    def _clean(self, text: str, limit: int = 2000) -> str:
        text = clean_text(text, limit)
        return to_ascii(text) if self.is_ascii else text


def wrap_words(text: str, width: int) -> Iterable[str]:
    """Lines of whole words; a word longer than a line is cut into pieces."""
    line = ""
    for word in text.split():
        while cell_len(word) > width:
            if line:
                yield line
                line = ""
            end = _fitting(word, width)
            yield word[:end]
            word = word[end:]
        if not line:
            line = word
        elif cell_len(line) + 1 + cell_len(word) <= width:
            line += " " + word
        else:
            yield line
            line = word
    if line:
        yield line


def _fitting(word: str, width: int) -> int:
    """How many characters of a word fit into a line, at least one."""
    taken = 0
    for end, character in enumerate(word):
        taken += cell_len(character)
        if taken > width:
            return max(1, end)
    return len(word)


def to_content(lines: Sequence[Line]) -> Content:
    """The lines for a Textual widget."""
    pieces: list[str | tuple[str, str]] = []
    for index, line in enumerate(lines):
        if index:
            pieces.append("\n")
        pieces.extend((text, _STYLES[look]) for text, look in line)
    return Content.assemble(*pieces)
