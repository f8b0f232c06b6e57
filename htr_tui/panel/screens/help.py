"""The help page: every key of the screen one is in, from the table of actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from htr_tui.panel.actions import PANE_KEYS, PLACE_TITLES, Place, actions_for, key_name
from htr_tui.panel.frame.lines import Line, Lines, Look
from htr_tui.panel.screens.dialogs import MessageDialog


class HelpScreen(MessageDialog):
    """Keys, what they do, and why some do nothing just now."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark", "cancel", "Close", show=False)]

    def __init__(self, place: Place, why_not: Callable[[str], str | None], *, is_ascii: bool = False) -> None:
        super().__init__(f"Keys of {PLACE_TITLES[place]}", help_lines(place, why_not, is_ascii), is_ascii=is_ascii)


def help_lines(
    place: Place, why_not: Callable[[str], str | None], is_ascii: bool = False, width: int = 62
) -> list[Line]:
    """One action a paragraph."""
    lines = Lines(width, is_ascii)
    for action in actions_for(place):
        reason = why_not(action.id)
        keys = " ".join(key_name(key) for key in action.keys)
        look: Look = "dim" if reason else "accent"
        text = action.help if reason is None else f"{action.help} Not now: {reason}."
        wrapped = Lines(width - 12, is_ascii)
        wrapped.wrap(text, "dim" if reason else "plain")
        for index, line in enumerate(wrapped.lines):
            lines.add((f"{keys if index == 0 else '':<11} ", look), *line)
    for key, help in PANE_KEYS[place]:
        wrapped = Lines(width - 12, is_ascii)
        wrapped.wrap(help)
        for index, line in enumerate(wrapped.lines):
            lines.add((f"{key_name(key) if index == 0 else '':<11} ", "accent"), *line)
    return lines.lines
