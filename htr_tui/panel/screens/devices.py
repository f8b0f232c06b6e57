"""The machine: cards with memory, load, heat and power; their processes; and which study waits for what."""

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
from htr_tui.panel.frame.text_pane import TextPane
from htr_tui.panel.messages import PlaceRequested, StudyOpened, TrialOpened
from htr_tui.panel.screens.base import PanelScreen
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.screens.device_rows import (
    COLUMNS,
    DeviceRow,
    DeviceRows,
    describe_in,
    describe_waiting,
    device_rows,
)
from htr_tui.panel.screens.headline import stale_parts
from htr_tui.panel.views import StudyView
from htr_tui.panel.widgets.trial_table import VirtualTable

ROWS_OF_PROCESSES = 5
"""Rows that the table of processes keeps however many cards there are."""
WAITING_ROWS = 6
FRAME_ROWS = 5
"""Header, key bar, titles of the table, two lines between the parts."""


class DevicesScreen(PanelScreen):
    """Cards above, processes below, and at the end who waits."""

    PLACE: ClassVar[Place] = "devices"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for("devices")]

    def __init__(self, panel: PanelContext) -> None:
        super().__init__(panel)
        self.rows: list[DeviceRow] = []

    def compose_body(self) -> ComposeResult:
        """Cards, processes, waiting."""
        with Container(id="body"):
            yield TextPane(id="cards")
            yield VirtualTable(COLUMNS, id="main", gap=1, ascii=self.panel.is_ascii)
            yield TextPane(id="waiting", can_focus=False)

    # -- drawing ---------------------------------------------------------------------------------------------------

    def draw_body(self) -> None:
        """All three."""
        store, height = self.panel.store, self.app.size.height
        studies = store.studies()
        cards, waiting = self.query_one("#cards", TextPane), self.query_one("#waiting", TextPane)
        width, is_ascii = max(20, self.app.size.width - 3), self.panel.is_ascii
        below = Lines(width, is_ascii)
        describe_waiting(below, store.machine, studies, self.panel.clock())
        waiting.display = bool(below.lines)
        told = min(len(below.lines), WAITING_ROWS)
        waiting.styles.height = told + 1
        room = max(3, height - ROWS_OF_PROCESSES - FRAME_ROWS - told)
        above = describe_in(room, width, is_ascii, store.machine)
        cards.styles.height = max(1, min(len(above.lines), room))
        cards.show(above.lines)
        waiting.show(below.lines)
        self._draw_processes()

    def on_screen_resume(self) -> None:
        """Look at the devices often from now on."""
        self.panel.watch_machine(True)
        super().on_screen_resume()

    def on_screen_suspend(self) -> None:
        """And no more."""
        self.panel.watch_machine(False)

    def _draw_processes(self) -> None:
        store, table = self.panel.store, self.query_one(VirtualTable)
        active = [study for study in store.studies() if study.is_active]
        places = [(study.name, number) for study in active for number in study.running]
        trials = {place: trial for place in places if (trial := store.trial(*place)) is not None}
        live = {(study.name, number): told for study in active for number, told in store.live(study.name).items()}
        self.rows = device_rows(store.machine, active, trials, live)
        table.set_empty_text("No process on a device, and no trial runs.")
        table.set_rows(DeviceRows(self.rows))

    def header_parts(self) -> Sequence[HeaderPart]:
        """The machine in a few words."""
        machine = self.panel.store.machine
        parts = [HeaderPart("Devices", "name", 0)]
        if machine is not None:
            count = len(machine.devices)
            parts.append(HeaderPart({0: "no GPU", 1: "1 device"}.get(count, f"{count} devices"), "plain", 1))
            if lost := sum(device.state == "lost" for device in machine.devices):
                parts.append(HeaderPart(f"! {lost} lost", "bad", 0))
            if machine.driver:
                parts.append(HeaderPart(f"driver {machine.driver}", "dim", 4))
        waiting = sum(bool(study.waiting) and study.is_active for study in self.panel.store.studies())
        if waiting:
            parts.append(
                HeaderPart("1 study waits" if waiting == 1 else f"{waiting} studies wait", "warn", 1, is_right=True)
            )
        return [*parts, *stale_parts(self.panel)]

    # -- what the user does ----------------------------------------------------------------------------------------

    def keys_elsewhere(self, loud: StudyView | None) -> str:
        """Here are no keys for a study."""
        return "On its trials (2)" if loud is not None else ""

    def current_row(self) -> DeviceRow | None:
        """The row under the cursor."""
        key = self.query_one(VirtualTable).cursor_key if self.is_mounted else None
        return next((row for row in self.rows if row.key == key), None)

    @on(VirtualTable.RowHighlighted)
    def follow_cursor(self, message: VirtualTable.RowHighlighted) -> None:
        """Grey what would do nothing for this row."""
        message.stop()
        self.draw_frame()

    @on(VirtualTable.RowSelected)
    def open_row(self, message: VirtualTable.RowSelected) -> None:
        """Open the trial of the process."""
        message.stop()
        self.action_open()

    def why_not(self, action_id: str) -> str | None:
        """A process of somebody else leads nowhere."""
        if action_id == "open":
            row = self.current_row()
            if row is None:
                return "there is nothing to open"
            if row.study is None:
                return f"process {row.pid} belongs to no trial"
            return None if row.is_here else f"{row.study} is not a study of {self.panel.runs}"
        return super().why_not(action_id)

    def action_open(self) -> None:
        """Open the trial under the cursor."""
        row = self.current_row()
        if row is None or row.study is None or not row.is_here:
            return
        self.post_message(TrialOpened(row.study, row.trial) if row.trial is not None else StudyOpened(row.study))

    def action_back(self) -> None:
        """Back to the studies."""
        self.post_message(PlaceRequested("studies"))
