"""The lines of a log as drawn: only those on screen, numbered, with errors, evidence and matches marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from htr_tui.panel.format import to_ascii
from htr_tui.panel.widgets.ink import ink
from htr_tui.text import clean_line

LineKind = Literal["", "error", "warning"]

_ERROR: Final = re.compile(
    r"Traceback \(most recent|\b\w*(?:Error|Exception)\b(?::|$)|\b(?:ERROR|FATAL|CRITICAL)\b|\berror:|^[EF]\d{4} "
    r"|out of memory|RESOURCE_EXHAUSTED|Segmentation fault|core dumped|\bKilled\b|No space left on device"
)
_WARNING: Final = re.compile(r"\bWARN(?:ING)?\b|\bwarning:|\b\w+Warning\b:|^W\d{4} ")
_CLASSIFIED: Final = 2000
"""Characters of a line that are looked through for words of failure."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A cleaned line; made outside the event loop."""

    text: str
    width: int
    """Cells it takes."""
    kind: LineKind = ""

    @classmethod
    def of(cls, raw: bytes, ascii: bool) -> ShownLine:
        """Clean, classify and measure a line."""
        text = clean_line(raw)
        if ascii:
            text = to_ascii(text)
        start = text[:_CLASSIFIED]
        kind: LineKind = "error" if _ERROR.search(start) else ("warning" if _WARNING.search(start) else "")
        return cls(text, cell_len(text), kind)


class LogLines(ScrollView, can_focus=True):
    """Draws lines it was given; asks for others with `LinesNeeded`. Follows the end until scrolled away from it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log-lines--number",
        "log-lines--error",
        "log-lines--warning",
        "log-lines--evidence",
        "log-lines--found",
        "log-lines--match",
        "log-lines--note",
    }

    DEFAULT_CSS = """
    LogLines {
        height: 1fr;
        background: $surface;
        color: $foreground;
        & > .log-lines--number { color: $text-disabled; }
        & > .log-lines--error { color: $text-error; text-style: bold; }
        & > .log-lines--warning { color: $text-warning; }
        & > .log-lines--evidence { background: $error-muted; color: $text; text-style: bold; }
        & > .log-lines--found { background: $primary-muted; color: $text; }
        & > .log-lines--match { text-style: bold reverse; }
        & > .log-lines--note { color: $text-muted; text-style: italic; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Line up", show=False),
        Binding("down,j", "scroll_down", "Line down", show=False),
        Binding("left", "scroll_sideways(-8)", "Left", show=False),
        Binding("right", "scroll_sideways(8)", "Right", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "go_to_start", "First line", show=False),
        Binding("end,G", "follow_end", "Follow the end", show=False),
        Binding("number_sign", "toggle_numbers", "Line numbers", show=False),
    ]

    class LinesNeeded(Message):
        """Lines on screen are not known; `first_needed` and `count_needed` say which."""

        def can_replace(self, message: Message) -> bool:
            """Say that one such notice is enough."""
            return isinstance(message, LogLines.LinesNeeded)

    class FollowingChanged(Message):
        """The view left the end of the log or came back to it."""

        def can_replace(self, message: Message) -> bool:
            """Say that only the newest counts."""
            return isinstance(message, LogLines.FollowingChanged)

    def __init__(self, *, ascii: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.line_count = 0
        self.is_following = True
        self.has_numbers = True
        self._ascii = ascii
        self._known: dict[int, ShownLine] = {}
        self._evidence: frozenset[int] = frozenset()
        self._found: int | None = None
        self._pattern: re.Pattern[str] | None = None
        self._note = ""
        self._widest = 0
        self._has_asked = False

    # --- what the view calls ---------------------------------------------------------------------------------------

    def clear(self, note: str) -> None:
        """Show no lines but a note, and follow the end of what comes."""
        self._known.clear()
        self.line_count = self._widest = 0
        self._found = None
        self._note = note
        self.is_following = True
        self._has_asked = False
        self.virtual_size = Size(0, 0)
        self.scroll_to(0, 0, animate=False, force=True)
        self.refresh()

    def set_note(self, note: str) -> None:
        """What stands there while there are no lines."""
        if note != self._note:
            self._note = note
            if not self.line_count:
                self.refresh()

    def show_lines(self, line_count: int, first: int, lines: Sequence[ShownLine]) -> None:
        """Take the number of lines and some of them; repaint only those that changed and are on screen."""
        self._has_asked = False
        window = {first + i: line for i, line in enumerate(lines)}
        changed = [n for n, line in window.items() if self._known.get(n) != line]
        self._known = window
        self._widest = max([self._widest, *(line.width for line in lines)])
        self.count_lines(line_count)
        self._resize_content()
        for n in changed:
            self._refresh_log_line(n)

    def count_lines(self, line_count: int) -> None:
        """Take the number of lines when none of those on screen changed."""
        if line_count != self.line_count:
            had_none, self.line_count = self.line_count == 0, line_count
            self._resize_content()
            if self.is_following:
                self._to_end()
            if had_none:
                self.refresh()

    def needed(self) -> tuple[int | None, int]:
        """First line and number of lines to have at hand: the page and one around it; None: the last ones."""
        page = max(40, self.size.height)
        if self.is_following:
            return None, 3 * page
        return max(0, self.scroll_offset.y - page), 3 * page

    def lacks_lines(self) -> bool:
        """Whether lines on screen are not known."""
        return any(n not in self._known for n in self._on_screen())

    def shows_end(self) -> bool:
        """Whether the last line, which may still grow, is on screen or about to be."""
        return self.is_following or self.scroll_offset.y + self.size.height >= self.line_count

    def set_evidence(self, lines: Iterable[int]) -> None:
        """Mark lines (from 0) as evidence of a finding."""
        evidence = frozenset(lines)
        for n in evidence ^ self._evidence:
            self._refresh_log_line(n)
        self._evidence = evidence

    def set_pattern(self, pattern: re.Pattern[str] | None) -> None:
        """Highlight what matches."""
        if pattern != self._pattern:
            self._pattern = pattern
            self._found = None if pattern is None else self._found
            self.refresh()

    def go_to(self, n: int, is_found: bool = False) -> None:
        """Bring a line (from 0) to the middle of the screen; the view follows no longer."""
        if is_found:
            for changed in (self._found, n):
                if changed is not None:
                    self._refresh_log_line(changed)
            self._found = n
        self._set_following(False)
        self._resize_content()
        self.scroll_to(y=max(0, n - self.size.height // 2), animate=False, force=True)

    @property
    def place(self) -> int:
        """The line a search starts from: the one found last while it is on screen, else the first on screen."""
        if self._found is not None and self._found in self._on_screen():
            return self._found
        return self.scroll_offset.y - 1

    # --- keys ------------------------------------------------------------------------------------------------------

    def action_scroll_sideways(self, cells: int) -> None:
        """Scroll long lines."""
        self.scroll_to(x=max(0, self.scroll_offset.x + cells), animate=False, force=True)

    def action_page(self, pages: int) -> None:
        """Scroll by whole screens."""
        step = max(1, self.size.height - 1)
        self.scroll_to(y=self.scroll_offset.y + pages * step, animate=False, force=True)

    def action_go_to_start(self) -> None:
        """Show the first line."""
        self._set_following(self.line_count <= self.size.height)
        self.scroll_to(y=0, animate=False, force=True)

    def action_follow_end(self) -> None:
        """Show the last line and those to come."""
        self._set_following(True)
        self._to_end()
        self._ask()

    def action_toggle_numbers(self) -> None:
        """Line numbers on or off."""
        self.has_numbers = not self.has_numbers
        self._resize_content()
        self.refresh()

    def action_scroll_up(self) -> None:
        """One line up."""
        self.scroll_to(y=self.scroll_offset.y - 1, animate=False, force=True)

    def action_scroll_down(self) -> None:
        """One line down."""
        self.scroll_to(y=self.scroll_offset.y + 1, animate=False, force=True)

    # --- following -------------------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Whoever scrolls away from the end stops following; whoever comes back follows again."""
        super().watch_scroll_y(old_value, new_value)
        if self.size.height and round(old_value) != round(new_value):
            self._set_following(round(new_value) + self.size.height >= self.line_count)

    def on_resize(self) -> None:
        """Stay at the end when the screen changes its size."""
        self._resize_content()
        if self.is_following:
            self._to_end()
        self._ask_if_lacking()

    def _set_following(self, is_following: bool) -> None:
        if is_following != self.is_following:
            self.is_following = is_following
            self.post_message(self.FollowingChanged())

    def _to_end(self) -> None:
        self.scroll_to(y=max(0, self.line_count - self.size.height), animate=False, force=True)

    def _ask_if_lacking(self) -> None:
        if self.lacks_lines():
            self._ask()

    def _ask(self) -> None:
        if not self._has_asked:
            self._has_asked = True
            self.post_message(self.LinesNeeded())

    # --- drawing ---------------------------------------------------------------------------------------------------

    def _on_screen(self) -> range:
        top = max(0, self.scroll_offset.y)
        return range(top, min(self.line_count, top + self.size.height))

    def _prefix_width(self) -> int:
        return 2 + (len(str(self.line_count)) + 1 if self.has_numbers else 0)

    def _resize_content(self) -> None:
        size = Size(self._prefix_width() + self._widest, self.line_count)
        if size != self.virtual_size:
            old_prefix = self.virtual_size.width - self._widest
            self.virtual_size = size
            if old_prefix != self._prefix_width():
                self.refresh()

    def _refresh_log_line(self, n: int) -> None:
        y = n - self.scroll_offset.y
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width, base = self.size.width, self.rich_style
        if not self.line_count:
            text = f"  {self._note}" if y == 1 else ""
            return Strip([Segment(text, self._part("note"))]).adjust_cell_length(width, base)
        n = y + self.scroll_offset.y
        if n >= self.line_count:
            return Strip.blank(width, base)
        line = self._known.get(n)
        if line is None:
            self._ask()
        style = self._line_style(n, line)
        prefix = Strip(self._prefix(n, style))
        body = Strip(self._body(line, style)) if line is not None else Strip([Segment("...", self._part("note"))])
        left = self.scroll_offset.x
        shown = body.crop(left, left + max(0, width - prefix.cell_length))
        return Strip.join([prefix, shown]).adjust_cell_length(width, style)

    def _prefix(self, n: int, style: Style) -> list[Segment]:
        mark = ("!" if n in self._evidence else " ") + (">" if n == self._found else " ")
        if not self.has_numbers:
            return [Segment(mark, style)]
        number = str(n + 1).rjust(len(str(self.line_count))) + " "
        return [Segment(mark, style), Segment(number, style + ink(self._part("number")))]

    def _body(self, line: ShownLine, style: Style) -> list[Segment]:
        if self._pattern is None:
            return [Segment(line.text, style)]
        segments, at = [], 0
        match_style = style + ink(self._part("match"))
        for match in self._pattern.finditer(line.text):
            segments.append(Segment(line.text[at : match.start()], style))
            segments.append(Segment(match.group(), match_style))
            at = match.end()
        return [*segments, Segment(line.text[at:], style)]

    def _line_style(self, n: int, line: ShownLine | None) -> Style:
        style = self.rich_style
        if n in self._evidence:
            style = self._part("evidence")
        elif n == self._found:
            style = self._part("found")
        if line is not None and line.kind and n not in self._evidence:
            style += ink(self._part(line.kind))
        return style

    def _part(self, part: str) -> Style:
        return self.get_component_rich_style(f"log-lines--{part}")
