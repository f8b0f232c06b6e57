"""A log of any size that follows its file: reading and searching in threads, drawing by `LogLines`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input
from textual.worker import Worker, WorkerState, get_current_worker

from htr_tui.log_index import Direction, LogIndex
from htr_tui.panel.format import is_ascii_terminal, to_ascii
from htr_tui.panel.widgets.log_lines import LogLines, ShownLine
from htr_tui.text import clean_text

POLL_S: Final = 0.25
"""Seconds between two looks at a log on screen that moves."""

IDLE_POLL_S: Final = 1.0
"""The same for one that does not, or is not on screen."""

WORK_S: Final = 0.1
"""Seconds of indexing until the screen gets news."""


@dataclass(frozen=True, slots=True)
class LogNews:
    """What a look at the file brought."""

    line_count: int
    indexed: int
    size: int
    restarts: int
    is_missing: bool
    error: str | None
    has_more: bool
    first: int
    lines: tuple[ShownLine, ...] | None
    """None if no lines were asked for."""


NO_LOG_YET: Final = "No log yet. It begins with the first line that the trainer writes."


class LogView(Vertical):
    """Shows the log of an attempt: `show_log`, `go_to_line`, `set_evidence`; `/` searches."""

    DEFAULT_CSS = """
    LogView {
        height: 1fr;
        border: round $panel-lighten-1;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        &:focus-within { border: round $primary; border-title-color: $text-primary; }
        &.-paused { border-subtitle-color: $text-warning; border-subtitle-style: bold; }
        &.-ascii { border: ascii $panel-lighten-1; }
        &.-ascii:focus-within { border: ascii $primary; }
        & > Input { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
        &.-searching > Input { display: block; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", show=False),
        Binding("n", "search_again(1)", "Next match", show=False),
        Binding("N", "search_again(-1)", "Previous match", show=False),
        Binding("escape", "end_search", "End search", show=False),
    ]

    class LogRead(Message):
        """A look at the file is done."""

        def __init__(self, index: LogIndex, news: LogNews) -> None:
            super().__init__()
            self.index = index
            self.news = news

    class LogSearched(Message):
        """A search ended, at a line (from 0) or at nothing."""

        def __init__(self, index: LogIndex, line: int | None) -> None:
            super().__init__()
            self.index = index
            self.line = line

    def __init__(
        self,
        path: Path | None = None,
        *,
        ascii: bool | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._is_ascii = is_ascii_terminal() if ascii is None else ascii
        self.set_class(self._is_ascii, "-ascii")
        self._lines = LogLines(ascii=self._is_ascii)
        self._search_input = Input(placeholder="search, enter to find, n next, N previous", select_on_focus=True)
        self._first_path = path
        self._index: LogIndex | None = None
        self._news: LogNews | None = None
        self._poll_timer: Timer | None = None
        self._is_reading = False
        self._wants_more = False
        self._count_when_left = 0
        self._target: int | None = None
        self._query = ""
        self._search_note = ""
        self._failure = ""
        self.missing_note = NO_LOG_YET
        """What stands there while there is no file."""

    def compose(self) -> ComposeResult:
        """The lines and the search field below them."""
        yield self._lines
        yield self._search_input

    def on_mount(self) -> None:
        """Begin to look at the file, if there is one."""
        self._search_input.cursor_blink = False
        self.show_log(self._first_path)

    def on_show(self) -> None:
        """Look at once when a tab brings the log back."""
        self._look()

    def on_unmount(self) -> None:
        """Stop looking."""
        self._index = None
        if self._poll_timer is not None:
            self._poll_timer.stop()

    def focus(self, scroll_visible: bool = True) -> LogView:
        """Give the focus to the lines."""
        self._lines.focus(scroll_visible)
        return self

    # --- what the screen calls -------------------------------------------------------------------------------------

    @property
    def path(self) -> Path | None:
        """The file that is shown."""
        return None if self._index is None else self._index.path

    @property
    def lines(self) -> LogLines:
        """The part that draws and has the focus."""
        return self._lines

    def show_log(self, path: Path | None) -> None:
        """Show another file, from its end; None shows nothing. The same file again changes nothing."""
        if not self.is_attached:
            self._first_path = path
            return
        if path is not None and self._index is not None and self._index.path == path:
            return
        self.workers.cancel_node(self)
        self._index = None if path is None else LogIndex(path)
        self._news = None
        self._is_reading = self._wants_more = False
        self._target = None
        self._search_note = self._failure = ""
        self._lines.clear("No log to show." if path is None else "Reading the log.")
        self._lines.set_evidence(())
        self.border_title = None if path is None else self._content(path.name)
        self._show_state()
        self._look()

    def go_to_line(self, line: int) -> None:
        """Mark a line (from 1, as findings count) as evidence and bring it to the middle, once it is indexed."""
        self.set_evidence([line])
        self._target = max(0, line - 1)
        self._go_to_target()

    def set_evidence(self, lines: Iterable[int]) -> None:
        """Mark the lines (from 1) that a finding rests on."""
        self._lines.set_evidence(line - 1 for line in lines)

    # --- looking at the file ---------------------------------------------------------------------------------------

    def _schedule(self, seconds: float) -> None:
        if self._poll_timer is not None:
            self._poll_timer.stop()
        self._poll_timer = self.set_timer(seconds, self._look)

    def _look(self) -> None:
        """Start a look in a thread, unless one is going on or nobody would see it."""
        index = self._index
        if index is None or not self.is_attached:
            return
        if self._is_reading:
            self._wants_more = True
            return
        if not (self.screen.is_current and self.is_on_screen) and self._news is not None:
            self._schedule(IDLE_POLL_S)
            return
        self._is_reading, self._wants_more = True, False
        first, count = self._lines.needed()
        known, must_read = self._news, self._lines.lacks_lines()
        follows = self._lines.shows_end()
        self.run_worker(
            lambda: self._read(index, first, count, known, must_read, follows),
            name="read log",
            group="log",
            exclusive=True,
            exit_on_error=False,
            thread=True,
        )

    def _read(
        self, index: LogIndex, first: int | None, count: int, known: LogNews | None, must_read: bool, follows: bool
    ) -> None:
        """In a thread: index on for a while, then read the lines on screen if they may have changed."""
        worker = get_current_worker()
        deadline = time.monotonic() + WORK_S
        while (has_more := index.step()) and time.monotonic() < deadline and not worker.is_cancelled:
            pass
        is_changed = known is None or (known.indexed, known.restarts) != (index.indexed_bytes, index.restarts)
        start = max(0, index.line_count - count) if first is None else first
        lines = None
        if must_read or (is_changed and (follows or known is None or known.restarts != index.restarts)):
            lines = tuple(ShownLine.of(raw, self._is_ascii) for raw in index.read_lines(start, count))
        news = LogNews(
            index.line_count,
            index.indexed_bytes,
            index.size,
            index.restarts,
            index.is_missing,
            index.error,
            has_more,
            start,
            lines,
        )
        if not worker.is_cancelled:
            self.post_message(self.LogRead(index, news))

    @on(LogRead)
    def take_news(self, message: LogRead) -> None:
        """Show what a look brought and plan the next."""
        message.stop()
        if message.index is not self._index:
            return
        news, before = message.news, self._news
        self._is_reading, self._news, self._failure = False, news, ""
        if before is not None and before.restarts != news.restarts:
            self._lines.clear("")
        self._lines.set_note(self._empty_note(news))
        if news.lines is not None:
            self._lines.show_lines(news.line_count, news.first, news.lines)
        else:
            self._lines.count_lines(news.line_count)
        self._go_to_target()
        self._show_state()
        is_moving = before is None or before.indexed != news.indexed
        has_nothing = news.lines is not None and not news.lines  # unreadable just now: the next look will say why
        if news.has_more or self._wants_more or (self._lines.lacks_lines() and not has_nothing):
            self.call_later(self._look)
        else:
            self._schedule(POLL_S if is_moving else IDLE_POLL_S)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Say what went wrong in a thread; the next look tries again."""
        if event.state is WorkerState.ERROR and event.worker.node is self:
            self._is_reading = False
            self._failure = f"failed: {event.worker.error}"
            self._show_state()
            self._schedule(IDLE_POLL_S)

    @on(LogLines.LinesNeeded)
    def read_lines(self, message: LogLines.LinesNeeded) -> None:
        """The user scrolled to lines that are not at hand."""
        message.stop()
        self._look()

    @on(LogLines.FollowingChanged)
    def mark_place(self, message: LogLines.FollowingChanged) -> None:
        """Remember how long the log was when the user left its end."""
        message.stop()
        self._count_when_left = self._lines.line_count
        self._show_state()

    def _go_to_target(self) -> None:
        if self._target is None or self._news is None:
            return
        if self._target < self._news.line_count:
            self._lines.go_to(self._target)
            self._target = None
        elif not self._news.has_more:
            self._target = None

    # --- searching -------------------------------------------------------------------------------------------------

    def action_search(self) -> None:
        """Open the search field."""
        self.add_class("-searching")
        self._search_input.focus()

    def action_end_search(self) -> None:
        """Close the search field and forget the search."""
        self.workers.cancel_group(self, "search")
        self.remove_class("-searching")
        self._query = self._search_note = ""
        self._lines.set_pattern(None)
        self._lines.focus()
        self._show_state()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave escape to the screen while there is nothing to end."""
        if action == "end_search":
            return bool(self._query) or self.has_class("-searching")
        return super().check_action(action, parameters)

    @on(Input.Submitted)
    def start_search(self, message: Input.Submitted) -> None:
        """Look for what was typed, from the screen on."""
        message.stop()
        self.remove_class("-searching")
        self._lines.focus()
        self._query = message.value
        if not self._query:
            self.action_end_search()
            return
        self._lines.set_pattern(re.compile(re.escape(self._query), self._flags()))
        self.action_search_again(1)

    def action_search_again(self, direction: int) -> None:
        """Go to the next or the previous match, around the end if need be."""
        index = self._index
        if not self._query or index is None:
            return
        way: Direction = 1 if direction > 0 else -1
        pattern = re.compile(re.escape(self._query.encode("utf-8", "replace")), self._flags())
        start = self._lines.place + way
        self._search_note = "searching"
        self._show_state()
        self.run_worker(
            lambda: self._search(index, pattern, start, way),
            name="search log",
            group="search",
            exclusive=True,
            exit_on_error=False,
            thread=True,
        )

    def _flags(self) -> int:
        """Case counts only where the user typed capitals."""
        return 0 if self._query != self._query.lower() else re.IGNORECASE

    def _search(self, index: LogIndex, pattern: re.Pattern[bytes], start: int, direction: Direction) -> None:
        """In a thread: from `start` to the end, then from the other end on."""
        worker = get_current_worker()
        line: int | None = None
        for begin in (start, 0 if direction > 0 else index.line_count - 1):
            result = index.find(pattern, begin, direction)
            while not result.is_done and not worker.is_cancelled:
                result = index.find(pattern, result.next_line, direction)
            line = result.line
            if line is not None or worker.is_cancelled:
                break
        if not worker.is_cancelled:
            self.post_message(self.LogSearched(index, line))

    @on(LogSearched)
    def take_match(self, message: LogSearched) -> None:
        """Show the match, or say that there is none."""
        message.stop()
        if message.index is not self._index:
            return
        if message.line is None:
            self._search_note = f"no match for {clean_text(self._query, 30)}"
        else:
            self._search_note = f"{clean_text(self._query, 30)} in line {message.line + 1:,}"
            self._lines.go_to(message.line, is_found=True)
        self._show_state()

    # --- what is said about the log --------------------------------------------------------------------------------

    def _empty_note(self, news: LogNews) -> str:
        if news.error is not None:
            return f"The log cannot be read: {news.error}."
        if news.is_missing:
            return self.missing_note
        return "Reading the log." if news.has_more else "The log is empty so far."

    def _show_state(self) -> None:
        parts = [part for part in (self._failure, self._search_note) if part]
        news = self._news
        if news is not None:
            if news.has_more and news.size:
                parts.append(f"indexing {100 * news.indexed // news.size} %")
            if news.restarts:
                parts.append("restarted" if news.restarts == 1 else f"restarted {news.restarts} times")
            if news.line_count:
                parts.append(f"{news.line_count:,} lines" if news.line_count != 1 else "1 line")
        is_paused = not self._lines.is_following and news is not None
        if is_paused:
            new = max(0, self._lines.line_count - self._count_when_left)
            parts.append(f"paused, {new:,} new lines, End to follow")
        elif news is not None and news.line_count:
            parts.append("following")
        self.set_class(is_paused, "-paused")
        self.border_subtitle = self._content(" · ".join(parts)) if parts else None

    def _content(self, text: str) -> Content:
        """A text for the border: no markup, and ASCII where that is all there is."""
        text = clean_text(text, 200)
        return Content(to_ascii(text) if self._is_ascii else text)
