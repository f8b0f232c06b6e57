"""Every study: state, progress, best value, running trials, alerts, and the machine below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from htr_tui.panel.actions import Place, bindings_for
from htr_tui.panel.frame.header import HeaderPart
from htr_tui.panel.frame.lines import Lines
from htr_tui.panel.frame.search_line import SearchLine
from htr_tui.panel.frame.text_pane import TextPane
from htr_tui.panel.messages import StudyOpened, TrialOpened
from htr_tui.panel.screens.base import WIDE, PanelScreen
from htr_tui.panel.screens.headline import stale_parts
from htr_tui.panel.screens.study_rows import COLUMNS, StudyRows, describe_study, study_columns
from htr_tui.panel.views import StudyView
from htr_tui.panel.widgets.meter import DeviceStrip, StripGpu, StripHost
from htr_tui.panel.widgets.trial_table import VirtualTable


class StudiesScreen(PanelScreen):
    """The list of studies with a pane about the one under the cursor."""

    PLACE: ClassVar[Place] = "studies"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for("studies")]

    def compose_body(self) -> ComposeResult:
        """Table, detail, search line."""
        with Container(id="body"):
            yield VirtualTable(COLUMNS, id="main", gap=1, ascii=self.panel.is_ascii)
            yield TextPane(id="detail", can_focus=False)
        yield SearchLine()
        yield DeviceStrip(id="devices", ascii=self.panel.is_ascii)

    # -- drawing ---------------------------------------------------------------------------------------------------

    def draw_body(self) -> None:
        """Rows and detail."""
        store, table = self.panel.store, self.query_one(VirtualTable)
        table.set_empty_text(self._empty_text())
        studies = store.studies()
        width = self.app.size.width
        columns = study_columns(studies, width, width >= WIDE)
        table.set_columns(columns)
        # As high as its rows, so that the pane below gets the rest; at most half of the screen.
        table.styles.height = max(4, min(len(studies) + 2, self.app.size.height // 2))
        table.set_rows(StudyRows(studies, self.panel.clock(), self.panel.is_ascii, columns))
        is_loaded = store.is_scanned and all(study.is_loaded for study in studies)
        self._stay_on_top(table, is_loaded=is_loaded)
        self._draw_detail()
        self._draw_machine()

    def _draw_machine(self) -> None:
        machine, strip = self.panel.store.machine, self.query_one(DeviceStrip)
        strip.display = machine is not None
        if machine is not None:
            gpus = [
                StripGpu(g.index, g.used_bytes, g.total_bytes, g.load, g.temperature, g.power_w) for g in machine.gpus
            ]
            host = StripHost(machine.cpu_percent, machine.memory_used, machine.memory_total, machine.load)
            strip.set_devices(gpus, host, machine.gpu_error or "")

    def _empty_text(self) -> str:
        if not self.panel.store.is_scanned:
            return "Reading ..."
        return "No studies here yet: press l to launch one, i to import one, or run htr-tui demo."

    def _draw_detail(self) -> None:
        pane = self.query_one(TextPane)
        lines = Lines(pane.text_width, self.panel.is_ascii)
        study = self.panel.store.study(self.current_study())
        if study is not None:
            running = study.running[:16]
            trials = {n: trial for n in running if (trial := self.panel.store.trial(study.name, n)) is not None}
            loud = self.loud_study()
            is_told = loud is not None and loud.name == study.name
            live = self.panel.store.live(study.name)
            describe_study(lines, study, trials, live, self.panel.clock(), is_told=is_told)
        pane.show(lines.lines)

    def header_parts(self) -> Sequence[HeaderPart]:
        """All studies in a few words."""
        studies = self.panel.store.studies()
        running = sum(study.state == "running" for study in studies)
        interrupted = sum(study.state == "interrupted" and study.facts.imported is None for study in studies)
        paused = sum(study.state == "paused" for study in studies)
        parts = [HeaderPart("htr-tui", "name", 0), HeaderPart(str(self.panel.runs), "dim", 3)]
        if self.panel.store.is_scanned:
            parts.append(HeaderPart(f"{len(studies)} studies" if len(studies) != 1 else "1 study", "plain", 1))
        if running:
            parts.append(HeaderPart(f"{running} running", "good", 1, is_right=True))
        if paused:
            loud = any(study.state == "paused" and study.has_paused_itself for study in studies)
            parts.append(HeaderPart(f"! {paused} paused", "bad" if loud else "warn", 1, is_right=True))
        if interrupted:
            parts.append(HeaderPart(f"! {interrupted} interrupted", "bad", 1, is_right=True))
        return [*parts, *stale_parts(self.panel)]

    def loud_study(self) -> StudyView | None:
        """The study under the cursor if it paused by itself, else the first that did."""
        studies = [study for study in self.panel.store.studies() if study.has_paused_itself and study.is_active]
        here = self.current_study()
        return next((study for study in studies if study.name == here), studies[0] if studies else None)

    # -- what the user does ----------------------------------------------------------------------------------------

    def current_study(self) -> str | None:
        """The study under the cursor."""
        key = self.query_one(VirtualTable).cursor_key if self.is_mounted else None
        return str(key) if key is not None else None

    @on(VirtualTable.RowHighlighted)
    def follow_cursor(self, message: VirtualTable.RowHighlighted) -> None:
        """Tell about the study under the cursor."""
        message.stop()
        self._draw_detail()
        self.draw_frame()

    @on(VirtualTable.RowSelected)
    def open_row(self, message: VirtualTable.RowSelected) -> None:
        """Open it."""
        message.stop()
        self.post_message(StudyOpened(str(message.key)))

    def action_open(self) -> None:
        """Open the study under the cursor."""
        if (study := self.current_study()) is not None:
            self.post_message(StudyOpened(study))

    def current_trial(self) -> int | None:
        """A running trial of the study under the cursor, its best, one of its front, or its newest."""
        study = self.panel.store.study(self.current_study())
        if study is None:
            return None
        if study.running:
            return study.running[-1]
        if study.best is not None:
            return study.best.number
        return min(study.pareto) if study.pareto else study.total - 1 if study.total else None

    def action_show_trial(self) -> None:
        """Open that trial."""
        study, trial = self.current_study(), self.current_trial()
        if study is not None and trial is not None:
            self.post_message(TrialOpened(study, trial))

    def action_show_trials(self) -> None:
        """Open the study under the cursor."""
        self.action_open()

    def action_search(self) -> None:
        """Search by name."""
        self.query_one(SearchLine).open("/", "search")

    @on(SearchLine.Changed)
    def search(self, message: SearchLine.Changed) -> None:
        """Go to the first match."""
        message.stop()
        self._go_to(message.text, 0)

    @on(SearchLine.Closed)
    def leave_search(self, message: SearchLine.Closed) -> None:
        """Back to the table."""
        message.stop()
        self.query_one(VirtualTable).focus()

    def action_search_next(self) -> None:
        """To the next match."""
        self._go_to(self.query_one(SearchLine).text, 1)

    def action_search_previous(self) -> None:
        """To the match before."""
        self._go_to(self.query_one(SearchLine).text, -1)

    def _go_to(self, text: str, step: int) -> None:
        table = self.query_one(VirtualTable)
        studies = self.panel.store.studies()
        if not text or not studies:
            return
        row = table.cursor_row
        for offset in range(1 if step else 0, len(studies) + 1):
            found = (row + offset * (step or 1)) % len(studies)
            if text.lower() in studies[found].name.lower():
                table.move_cursor(found)
                return
        self.query_one(SearchLine).show_problem(f"no study is called like {text}")

    def action_back(self) -> None:
        """End the search."""
        self.query_one(SearchLine).close()
