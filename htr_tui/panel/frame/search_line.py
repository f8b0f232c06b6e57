"""The line that opens below a pane for a search or a filter."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from htr_tui.text import clean_text


class SearchLine(Horizontal):
    """Hidden until it is opened; enter keeps what was typed, escape takes it back."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel", show=False)]

    class Changed(Message):
        """Another text was typed."""

        def __init__(self, purpose: str, text: str) -> None:
            super().__init__()
            self.purpose = purpose
            self.text = text

    class Closed(Message):
        """The line was left; `is_kept` tells whether by enter."""

        def __init__(self, purpose: str, text: str, is_kept: bool) -> None:
            super().__init__()
            self.purpose = purpose
            self.text = text
            self.is_kept = is_kept

    def __init__(self) -> None:
        super().__init__(id="search")
        self.display = False
        self.purpose = ""
        """What it was opened for: `search` or `filter`."""
        self.text = ""
        """What was searched last."""
        self._before = ""

    def compose(self) -> ComposeResult:
        """A sign, the input, a place for what is wrong."""
        yield Static("/", id="sign", markup=False)
        yield Input(id="typed", compact=True)
        yield Static("", id="problem", markup=False)

    @property
    def is_open(self) -> bool:
        """Whether it is on screen."""
        return bool(self.display)

    def open(self, sign: str, purpose: str, text: str = "", hint: str = "") -> None:
        """Begin to type."""
        self.purpose, self._before = purpose, text
        self.query_one("#sign", Static).update(sign)
        typed = self.query_one(Input)
        typed.placeholder = hint
        with self.prevent(Input.Changed):
            typed.value = text
        self.show_problem("")
        self.display = True
        # At once, not by `focus`, which waits: letters typed in a hurry must not be taken for keys.
        self.screen.set_focus(typed)

    def close(self) -> None:
        """Take it off the screen."""
        self.display = False

    def show_problem(self, text: str) -> None:
        """Say what is wrong with what was typed."""
        self.query_one("#problem", Static).update(clean_text(text, 120))

    @on(Input.Changed)
    def _change(self, message: Input.Changed) -> None:
        message.stop()
        self.show_problem("")
        if self.purpose == "search":
            self.text = message.value
        self.post_message(self.Changed(self.purpose, message.value))

    @on(Input.Submitted)
    def _submit(self, message: Input.Submitted) -> None:
        message.stop()
        self.close()
        self.post_message(self.Closed(self.purpose, message.value, is_kept=True))

    def action_cancel(self) -> None:
        """Leave it as it was before."""
        self.close()
        self.post_message(self.Closed(self.purpose, self._before, is_kept=False))
