"""One line of tabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget


class TabBar(Widget):
    """Shows which tab is in front; a click brings another there."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tabs--tab", "tabs--front", "tabs--alert"}
    ALLOW_SELECT = False

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self, tabs: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tabs = tuple(tabs)
        self.front = self.tabs[0]
        self._alerts: frozenset[str] = frozenset()

    def show(self, front: str, alerts: frozenset[str] = frozenset()) -> None:
        """Bring a tab to the front, and mark those that want to be seen."""
        if (front, alerts) != (self.front, self._alerts):
            self.front, self._alerts = front, alerts
            self.refresh()

    def _label(self, tab: str) -> str:
        text = tab.capitalize() + ("!" if tab in self._alerts else "")
        # Brackets, because the tab in front must be seen without colours too.
        return f"[{text}]" if tab == self.front else f" {text} "

    def render(self) -> Text:
        """The row."""
        line = Text(" ", no_wrap=True, overflow="ellipsis", end="")
        for tab in self.tabs:
            part = "front" if tab == self.front else "alert" if tab in self._alerts else "tab"
            line.append(self._label(tab), self.get_component_rich_style(f"tabs--{part}"))
            line.append(" ")
        return line

    def on_click(self, event: events.Click) -> None:
        """Bring the tab under the pointer to the front."""
        event.stop()
        start = 1
        for tab in self.tabs:
            width = cell_len(self._label(tab)) + 1
            if start <= event.x < start + width:
                self.post_message(self.Chosen(tab))
                return
            start += width
