"""Questions to the user; each is left with escape, and then nothing happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from htr_tui.panel.format import to_ascii
from htr_tui.panel.frame.lines import Line, Lines, to_content
from htr_tui.text import clean_text

Answer = TypeVar("Answer")

TEXT_WIDTH = 65


class Dialog(ModalScreen[Answer]):
    """A box in the middle with a title, a text and a line of keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        # Before the field sees them: what is typed next in a hurry belongs to the next field.
        Binding("tab", "app.focus_next", "Next field", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", "Field before", show=False, priority=True),
    ]

    def __init__(self, title: str, text: Sequence[Line] | str = (), keys: str = "", *, is_ascii: bool = False) -> None:
        super().__init__()
        self._heading = clean_text(title, 200)
        self._lines = _paragraphs(text, is_ascii) if isinstance(text, str) else list(text)
        self._keys = keys
        self._is_ascii = is_ascii

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical(id="box"):
            yield Static(self._plain(self._heading), id="heading", markup=False)
            if self._lines:
                with VerticalScroll(id="text", can_focus=self.can_scroll_text()):
                    yield Static(to_content(self._lines), markup=False)
            yield from self.compose_answer()
            yield Static(self._plain(self._keys), id="hint", markup=False)

    def compose_answer(self) -> ComposeResult:
        """Where the answer is given."""
        yield from ()

    def can_scroll_text(self) -> bool:
        """Whether the text takes the focus, because there is nothing else."""
        return False

    def action_cancel(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)

    def _plain(self, text: str) -> str:
        return to_ascii(text) if self._is_ascii else text


def _paragraphs(text: str, is_ascii: bool) -> list[Line]:
    lines = Lines(TEXT_WIDTH, is_ascii)
    for paragraph in text.splitlines():
        if paragraph.strip():
            indent = " " * min(8, len(paragraph) - len(paragraph.lstrip(" ")))
            lines.wrap(paragraph.strip(), indent=indent)
        else:
            lines.blank()
    return lines.lines


@dataclass(frozen=True, slots=True)
class Choice:
    """One possible answer."""

    id: str
    title: str
    detail: str = ""


class ChoiceList(OptionList):
    """A list to choose from, with the vi keys too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
    ]

    def __init__(self, choices: Sequence[Choice], *, is_ascii: bool = False, id: str | None = None) -> None:
        options = [Option(_prompt(choice, is_ascii), id=str(i)) for i, choice in enumerate(choices)]
        super().__init__(*options, id=id, markup=False, compact=True)
        self._is_ascii = is_ascii
        self.choices = tuple(choices)

    def replace_choices(self, choices: Sequence[Choice]) -> None:
        """Offer others."""
        self.choices = tuple(choices)
        self.clear_options()
        self.add_options(Option(_prompt(choice, self._is_ascii), id=str(i)) for i, choice in enumerate(choices))
        if choices:
            self.highlighted = 0

    @property
    def chosen(self) -> Choice | None:
        """The choice under the cursor."""
        return self.choices[self.highlighted] if self.highlighted is not None else None


def _prompt(choice: Choice, is_ascii: bool) -> Content:
    title, detail = clean_text(choice.title, 200), clean_text(choice.detail, 400)
    if is_ascii:
        title, detail = to_ascii(title), to_ascii(detail)
    return Content.assemble(title, ("\n  " + detail, "$foreground-muted")) if detail else Content(title)


class ChoiceDialog(Dialog[str | None]):
    """Asks for one of a few answers; the first is the harmless one and stands under the cursor."""

    AUTO_FOCUS = "#choices"

    def __init__(
        self, title: str, text: Sequence[Line] | str, choices: Sequence[Choice], *, is_ascii: bool = False
    ) -> None:
        super().__init__(title, text, "enter choose   esc cancel", is_ascii=is_ascii)
        self._choices = tuple(choices)

    def compose_answer(self) -> ComposeResult:
        """The answers."""
        yield ChoiceList(self._choices, is_ascii=self._is_ascii, id="choices")

    @on(OptionList.OptionSelected)
    def choose(self, message: OptionList.OptionSelected) -> None:
        """Give the answer."""
        message.stop()
        self.dismiss(self._choices[message.option_index].id)


class MessageDialog(Dialog[None]):
    """Says something that must not be missed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space,q", "cancel", "Close", show=False)]
    AUTO_FOCUS = "#text"

    def __init__(self, title: str, text: Sequence[Line] | str, *, is_ascii: bool = False) -> None:
        super().__init__(title, text, "enter close", is_ascii=is_ascii)

    def can_scroll_text(self) -> bool:
        """A long explanation can be read to its end."""
        return True


class LaunchDialog(Dialog[str | None]):
    """Asks what to launch: a study to go on with, a study file, or a path that is typed."""

    AUTO_FOCUS = "#choices"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "preview", "Show the command", show=False)]

    def __init__(
        self, choices: Sequence[Choice], hint: str, preview: Callable[[str], Awaitable[None]], *, is_ascii: bool = False
    ) -> None:
        keys = "enter launch   c show its command   tab type a path   esc cancel"
        super().__init__("Launch", hint, keys, is_ascii=is_ascii)
        self._choices = tuple(choices)
        self._preview = preview

    def compose_answer(self) -> ComposeResult:
        """The list and a line to type in."""
        if self._choices:
            yield ChoiceList(self._choices, is_ascii=self._is_ascii, id="choices")
        yield Input(placeholder="path of a study file", id="path", compact=True)

    def on_mount(self) -> None:
        """Without a list the line has the focus."""
        if not self._choices:
            self.query_one(Input).focus()

    @on(OptionList.OptionSelected)
    def choose(self, message: OptionList.OptionSelected) -> None:
        """Give the answer."""
        message.stop()
        self.dismiss(self._choices[message.option_index].id)

    @work(group="preview", exclusive=True, exit_on_error=False)
    async def action_preview(self) -> None:
        """Show what the choice under the cursor would run."""
        chosen = self.query_one(ChoiceList).chosen if self._choices else None
        if chosen is not None:
            await self._preview(chosen.id)

    @on(Input.Submitted)
    def type_path(self, message: Input.Submitted) -> None:
        """Give what was typed."""
        message.stop()
        if message.value.strip():
            self.dismiss(message.value.strip())
