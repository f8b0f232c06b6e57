"""A form whose answer is a command: it stays open until the command has worked, and shows what is wrong in place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Static

from htr_tui.panel.commands import CommandResult
from htr_tui.panel.frame.lines import Line, Lines, to_content
from htr_tui.panel.screens.dialogs import Dialog
from htr_tui.text import clean_text

Ask = Callable[[Sequence[str]], Awaitable[CommandResult]]
"""Runs a command line to its end."""
MakeArguments = Callable[[Mapping[str, str]], list[str]]
"""What was typed, by field, as arguments; ValueError says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One line to type in."""

    key: str
    label: str
    value: str = ""
    hint: str = ""
    """What may be typed, beside the field."""
    placeholder: str = ""


class FormDialog(Dialog[CommandResult | None]):
    """Fields below each other; enter in any of them runs the command."""

    AUTO_FOCUS = "FormInput"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next field", show=False, priority=True),
        Binding("up", "app.focus_previous", "Field before", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        text: Sequence[Line] | str,
        fields: Sequence[FormField],
        make_arguments: MakeArguments,
        ask: Ask,
        *,
        verb: str,
        is_ascii: bool = False,
    ) -> None:
        super().__init__(title, text, f"enter {verb}   tab next field   esc cancel", is_ascii=is_ascii)
        self._fields = tuple(fields)
        self._make_arguments = make_arguments
        self._ask = ask
        self._verb = verb
        self._is_asking = False

    def compose_answer(self) -> ComposeResult:
        """The fields, and what is wrong with them."""
        width = min(24, max((len(field.label) for field in self._fields), default=0))
        with VerticalScroll(id="fields", can_focus=False):
            for field in self._fields:
                with Horizontal(classes="field"):
                    label = Static(self._plain(clean_text(field.label, 60)), classes="label", markup=False)
                    label.styles.width = width + 1
                    yield label
                    yield FormInput(field)
                    if field.hint:
                        yield Static(self._plain(clean_text(field.hint, 80)), classes="field-hint", markup=False)
        yield Static("", id="mistake", markup=False)

    @property
    def typed(self) -> dict[str, str]:
        """What stands in the fields now."""
        return {field.field.key: field.value for field in self.query(FormInput)}

    @on(Input.Submitted)
    def submit(self, message: Input.Submitted) -> None:
        """Run the command, if what was typed can be understood."""
        message.stop()
        if self._is_asking:
            return
        try:
            arguments = self._make_arguments(self.typed)
        except ValueError as error:
            self.show_mistake(str(error))
            return
        self._is_asking = True
        self.show_mistake(f"{self._verb} ...", is_mistake=False)
        self._run(arguments)

    @work(group="submit", exit_on_error=False)
    async def _run(self, arguments: list[str]) -> None:
        try:
            result = await self._ask(arguments)
        finally:
            self._is_asking = False
        if result.exit_status is None or result.is_done:
            self.dismiss(result)
        else:
            self.show_mistake(result.explain())

    def show_mistake(self, text: str, *, is_mistake: bool = True) -> None:
        """Say below the fields what is wrong, or that it is being done."""
        lines = Lines(form_width(self.app), self._is_ascii)
        for line in text.splitlines():
            lines.wrap(line, "bad" if is_mistake else "dim", limit=4)
        self.query_one("#mistake", Static).update(to_content(lines.lines[:8]))


def form_width(app: App[Any]) -> int:
    """Cells of a line of text in a form beside a scroll bar: its box is as wide as the style sheet and the screen say."""
    return max(20, min(85, int(app.size.width * 0.96) - 7))


class FormInput(Input):
    """The input of a field."""

    def __init__(self, field: FormField) -> None:
        super().__init__(field.value, placeholder=field.placeholder, compact=True)
        self.field = field
