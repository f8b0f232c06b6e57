"""One line at the bottom: the keys of the screen, greyed where they would do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

GAP = 2
ALWAYS_SHOWN = frozenset({"help", "quit"})


@dataclass(frozen=True, slots=True)
class KeyHint:
    """One key of the bar."""

    action: str
    key: str
    title: str
    help: str = ""
    reason: str | None = None
    """Why it would do nothing now; None if it would."""
    rank: int = 5
    """Order from the left; the highest goes first when it gets narrow."""

    @property
    def width(self) -> int:
        """Cells it takes."""
        return cell_len(self.key) + 1 + cell_len(self.title)


class KeyBar(Widget):
    """Draws key hints; a click does what the key does."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--title", "keys--off"}
    ALLOW_SELECT = False

    class Clicked(Message):
        """A hint was clicked."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._hints: tuple[KeyHint, ...] = ()

    def show(self, hints: Sequence[KeyHint]) -> None:
        """Draw other hints; nothing happens if they are the same."""
        if tuple(hints) != self._hints:
            self._hints = tuple(hints)
            self.refresh()

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        """What it shows, if there is room."""
        return self._hints

    def render(self) -> Text:
        """The row."""
        key, title, off = (self.get_component_rich_style(name) for name in ("keys--key", "keys--title", "keys--off"))
        line = Text(" ", no_wrap=True, overflow="ellipsis", end="")
        for index, hint in enumerate(fit(self._hints, self.size.width - 2)):
            line.append(" " * GAP if index else "")
            line.append(hint.key, off if hint.reason else key)
            line.append(" " + hint.title, off if hint.reason else title)
        return line

    def _hint_at(self, x: int) -> KeyHint | None:
        start = 1
        for hint in fit(self._hints, self.size.width - 2):
            if start <= x < start + hint.width:
                return hint
            start += hint.width + GAP
        return None

    def on_click(self, event: events.Click) -> None:
        """Do what the key does."""
        event.stop()
        hint = self._hint_at(event.x)
        if hint is not None:
            self.post_message(self.Clicked(hint.action))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Say what the key under the pointer is for, or why it does nothing."""
        hint = self._hint_at(event.x)
        tooltip = Text(hint.reason or hint.help) if hint is not None else None
        if str(tooltip) != str(self.tooltip):
            self.tooltip = tooltip


def fit(hints: Sequence[KeyHint], width: int) -> list[KeyHint]:
    """The hints that find room in `width` cells, by rank."""
    kept = sorted(hints, key=lambda hint: hint.rank)
    while kept and sum(hint.width + GAP for hint in kept) - GAP > width:
        loose = [hint for hint in kept if hint.action not in ALWAYS_SHOWN]
        if not loose:
            break
        kept.remove(loose[-1])
    return kept
