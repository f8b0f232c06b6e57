"""A study's trials: the table, and one trial in short beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.timer import Timer

from htr_tui.journal.records import TrialRecord
from htr_tui.panel.actions import Place, bindings_for
from htr_tui.panel.frame.header import HeaderPart
from htr_tui.panel.frame.lines import Lines
from htr_tui.panel.frame.search_line import SearchLine
from htr_tui.panel.frame.text_pane import TextPane
from htr_tui.panel.messages import PlaceRequested, TrialOpened
from htr_tui.panel.screens.attention import about_text
from htr_tui.panel.screens.base import WIDE, PanelScreen
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.trial_columns import (
    CellContext,
    TrialColumn,
    fit_columns,
    minimized_columns,
    trial_columns,
)
from htr_tui.panel.screens.trial_detail import describe_trial
from htr_tui.panel.screens.trial_filter import FilterMistake, Predicate, parse_filter, texts_of
from htr_tui.panel.screens.trial_rows import TrialRows
from htr_tui.panel.widgets.trial_table import VirtualTable
from htr_tui.text import clean_text

MANY: Final = 5000
"""Trials from which on sorting and filtering leave the event loop."""
GAP: Final = 1
"""Cells between two columns."""
LOOK_AFTER_S: Final = 0.15
"""Seconds the cursor rests before the files of its trial are read."""


class TrialsScreen(PanelScreen):
    """The table of one study."""

    PLACE: ClassVar[Place] = "trials"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for("trials")]

    def __init__(self, panel: PanelContext) -> None:
        super().__init__(panel)
        self.rows = TrialRows()
        self._study: str | None = None
        self._version = -1
        self._columns: list[TrialColumn] = []
        self._sort = "trial"
        self._is_descending = True
        self._filter_text = ""
        self._has_detail = True
        self._look_timer: Timer | None = None
        self._marks: dict[str, set[int | str]] = {}

    def compose_body(self) -> ComposeResult:
        """Table, detail, search line."""
        with Container(id="body"):
            yield VirtualTable(id="main", fixed_columns=1, gap=GAP, ascii=self.panel.is_ascii)
            yield TextPane(id="detail", can_focus=False)
        yield SearchLine()

    @property
    def table(self) -> VirtualTable:
        """The table of trials."""
        return self.query_one(VirtualTable)

    # -- drawing ---------------------------------------------------------------------------------------------------

    def draw_body(self) -> None:
        """Take in what changed; only rows on screen are made."""
        self._take_study()
        study = self.panel.store.study(self._study)
        columns = fit_columns(trial_columns(study), self.table.size.width - 1, GAP)
        if [(c.key, c.title) for c in columns] != [(c.key, c.title) for c in self._columns]:
            self._columns = columns
            self.table.set_columns([column.as_table_column() for column in columns])
            self._arrange()
        self._columns = columns
        self.rows.columns = columns
        self._take_changes()
        best = study.best.number if study is not None and study.best is not None else None
        self.rows.context = CellContext(
            self.panel.clock(),
            best,
            study.pareto if study is not None else frozenset(),
            self.panel.store.live(self._study),
            self.panel.is_ascii,
        )
        self.table.set_empty_text(self._empty_text())
        self.table.refresh_rows()
        self._stay_on_top(self.table, is_loaded=study is not None and study.is_loaded)
        self._draw_detail()

    def _take_study(self) -> None:
        if self.panel.study == self._study:
            return
        self._study = self.panel.study
        self._version = -1
        self._columns, self._filter_text = [], ""
        self._sort, self._is_descending = "trial", True
        self.rows = TrialRows()
        table = self.table
        table.marked = self._marks.setdefault(self._study or "", set())
        table.cursor_key = self._first_key = None
        self._is_settled = False
        table.set_rows(self.rows)

    def _take_changes(self) -> None:
        changes = self.panel.store.trials_changed_since(self._study, self._version)
        self._version = changes.version
        if changes.is_reset:
            self.rows.replace_all(changes.trials)
        else:
            self.rows.update(changes.trials)

    def _empty_text(self) -> str:
        study = self.panel.store.study(self._study)
        if study is None:
            return "There is no such study (any more): press 1 for all studies."
        if study.problem:
            return study.problem
        if not study.is_loaded:
            return "Reading the journal ..."
        if self._filter_text:
            return f"No trial fits the filter {self._filter_text}: press f to change it, esc to drop it."
        if study.facts.imported is not None:
            return "The study that was imported has no trials."
        if study.waiting and study.is_active:
            return f"No trials yet: the study waits: {clean_text(study.waiting, 200)}"
        return "No trials yet: they appear as the supervisor makes them."

    def _draw_detail(self) -> None:
        pane = self.query_one("#detail", TextPane)
        if not pane.display or self.app.size.width < WIDE:
            return
        lines = Lines(pane.text_width, self.panel.is_ascii)
        trial = self.current_record()
        if trial is None:
            study = self.panel.store.study(self._study)
            lines.add(("no trial under the cursor", "dim"))
            lines.wrap(about_text(study, self.panel.clock()) if study is not None else "", "warn")
        else:
            store = self.panel.store
            describe_trial(
                lines,
                store.study(self._study),
                trial,
                store.files(self._study, trial.number),
                store.live(self._study).get(trial.number),
                self.panel.clock(),
            )
        pane.show(lines.lines)

    def header_parts(self) -> Sequence[HeaderPart]:
        """The study, and what is filtered and marked."""
        parts = list(super().header_parts())
        if self._filter_text:
            parts.insert(2, HeaderPart(f"filter {self._filter_text}: {len(self.rows)}", "warn", 1))
        if marked := len(self.table.marked):
            parts.insert(2, HeaderPart(f"{marked} marked", "warn", 2))
        return parts

    def on_resize(self, event: events.Resize) -> None:
        """The detail pane comes and goes with the width."""
        self.query_one("#detail").display = self._has_detail and event.size.width >= WIDE
        self._look_at_cursor()

    # -- the cursor ------------------------------------------------------------------------------------------------

    def current_study(self) -> str | None:
        """The study of the table."""
        return self.panel.study

    def current_trial(self) -> int | None:
        """The trial under the cursor."""
        key = self.table.cursor_key if self.is_mounted else None
        return key if isinstance(key, int) else None

    def current_record(self) -> TrialRecord | None:
        """The record of the trial under the cursor."""
        number = self.current_trial()
        return self.rows.trials.get(number) if number is not None else None

    @on(VirtualTable.RowHighlighted)
    def follow_cursor(self, message: VirtualTable.RowHighlighted) -> None:
        """Tell about the trial under the cursor, and read its files if the cursor rests."""
        message.stop()
        self._draw_detail()
        self.draw_frame()
        if self._look_timer is not None:
            self._look_timer.stop()
        self._look_timer = self.set_timer(LOOK_AFTER_S, self._look_at_cursor)

    def _look_at_cursor(self) -> None:
        if self.is_current and self.app.size.width >= WIDE and self._has_detail:
            self.panel.feed.look_at(self._study, self.current_trial())

    def on_screen_resume(self) -> None:
        """Stand on the trial that was looked at."""
        super().on_screen_resume()
        if self.panel.trial is not None and self.panel.trial in self.rows.trials:
            self.table.move_to_key(self.panel.trial)
        self._look_at_cursor()

    def neighbour(self, trial: int | None, step: int) -> int | None:
        """The trial above or below another in the order of the table."""
        row = self.rows.index_of(trial) if trial is not None else None
        if row is None or not 0 <= row + step < len(self.rows):
            return None
        return self.rows.key(row + step)

    @on(VirtualTable.RowSelected)
    def open_row(self, message: VirtualTable.RowSelected) -> None:
        """Open the trial."""
        message.stop()
        self.action_open()

    def action_open(self) -> None:
        """Open the trial under the cursor."""
        number = self.current_trial()
        if number is not None and self._study is not None:
            self.post_message(TrialOpened(self._study, number))

    def action_show_trial(self) -> None:
        """Open the trial under the cursor."""
        self.action_open()

    def action_back(self) -> None:
        """Drop the filter, or go to the studies."""
        if self._filter_text:
            self._set_filter("")
        else:
            self.post_message(PlaceRequested("studies"))

    def action_mark(self) -> None:
        """Mark the trial and go on to the next."""
        self.table.toggle_mark()
        self.table.action_cursor_down()
        self.draw_frame()

    def action_detail(self) -> None:
        """Show or hide the pane."""
        self._has_detail = not self._has_detail
        self.query_one("#detail").display = self._has_detail and self.app.size.width >= WIDE
        self._look_at_cursor()
        self.call_after_refresh(self._draw_detail)

    # -- order and filter ------------------------------------------------------------------------------------------

    def action_sort(self) -> None:
        """Sort by the next column."""
        keys = [column.key for column in self._columns]
        row = keys.index(self._sort) if self._sort in keys else -1
        self._sort_by(keys[(row + 1) % len(keys)])

    def action_sort_reverse(self) -> None:
        """The other way round."""
        self._is_descending = not self._is_descending
        self._arrange()

    @on(VirtualTable.ColumnSelected)
    def sort_by_title(self, message: VirtualTable.ColumnSelected) -> None:
        """Sort by the column that was clicked; the same again turns the order."""
        message.stop()
        if message.key == self._sort:
            self.action_sort_reverse()
        else:
            self._sort_by(message.key)

    def _sort_by(self, key: str) -> None:
        self._sort = key
        directions = self._directions()
        is_minimized = key in minimized_columns(directions)
        self._is_descending = key not in ("state", "finding") and not is_minimized
        self._arrange()

    def _directions(self) -> tuple[str, ...]:
        study = self.panel.store.study(self._study)
        return study.facts.directions if study is not None else ()

    def _predicate(self) -> Predicate | None:
        study = self.panel.store.study(self._study)
        parameters = study.facts.parameters if study is not None else ()
        return parse_filter(self._filter_text, parameters) if self._filter_text.strip() else None

    def _arrange(self) -> None:
        self.table.set_sort(self._sort, self._is_descending)
        predicate = self._predicate()
        if len(self.rows.trials) < MANY:
            self.rows.arrange(self._columns, self._sort, self._is_descending, predicate)
            self.table.refresh_rows()
        else:
            self._arrange_apart(predicate)

    @work(group="arrange", exclusive=True, exit_on_error=False)
    async def _arrange_apart(self, predicate: Predicate | None) -> None:
        """Sort many trials in a thread, and show them when that is done."""
        study, version = self._study, self._version
        before = self.rows
        rows = TrialRows()
        rows.context = before.context
        rows.trials = dict(before.trials)
        await asyncio.to_thread(rows.arrange, self._columns, self._sort, self._is_descending, predicate)
        if self._study != study or self.rows is not before:
            return
        self.rows = rows
        changes = self.panel.store.trials_changed_since(study, version)
        self._version = changes.version
        rows.replace_all(changes.trials) if changes.is_reset else rows.update(changes.trials)
        rows.context = replace(before.context)
        self.table.set_rows(rows)
        self.draw_frame()

    def _set_filter(self, text: str) -> None:
        before, self._filter_text = self._filter_text, text.strip()
        try:
            self._predicate()
        except FilterMistake as mistake:
            self._filter_text = before
            self.query_one(SearchLine).show_problem(str(mistake))
            return
        self._arrange()
        self.table.set_empty_text(self._empty_text())
        self.draw_frame()

    def action_filter(self) -> None:
        """Type a filter."""
        hint = "failed   value>20   epoch<=3   finding:oom   !pruned"
        self.query_one(SearchLine).open("filter", "filter", self._filter_text, hint)

    def action_search(self) -> None:
        """Type a text to go to."""
        self.query_one(SearchLine).open("/", "search", "", "a number, state, parameter or finding")

    @on(SearchLine.Changed)
    def follow_typing(self, message: SearchLine.Changed) -> None:
        """Filter or search with every letter."""
        message.stop()
        if message.purpose == "filter":
            self._set_filter(message.text)
        else:
            self._go_to(message.text, 0)

    @on(SearchLine.Closed)
    def leave_typing(self, message: SearchLine.Closed) -> None:
        """Back to the table; a filter that was not kept is the one before."""
        message.stop()
        if message.purpose == "filter" and not message.is_kept:
            self._set_filter(message.text)
        self.table.focus()

    def action_search_next(self) -> None:
        """To the next match."""
        self._go_to(self.query_one(SearchLine).text, 1)

    def action_search_previous(self) -> None:
        """To the match before."""
        self._go_to(self.query_one(SearchLine).text, -1)

    def _go_to(self, text: str, step: int) -> None:
        wanted = text.strip().lower()
        if not wanted:
            return
        row = self.rows.find(
            lambda trial: any(wanted in found.lower() for found in texts_of(trial)),
            self.table.cursor_row + step,
            step or 1,
        )
        if row is not None:
            self.table.move_cursor(row)
        elif self.query_one(SearchLine).is_open:
            self.query_one(SearchLine).show_problem("nothing found")
        else:
            self.notify(f"nothing found for {text}", markup=False)
