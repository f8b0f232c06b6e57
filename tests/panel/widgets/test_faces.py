"""Every widget in every theme, tiny and large, without colour: it must draw, and inside its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from htr_tui.panel.widgets.chart_grid import ChartGrid
from htr_tui.panel.widgets.curve_chart import Series
from htr_tui.panel.widgets.log_view import LogView
from htr_tui.panel.widgets.meter import DeviceStrip, StripGpu, StripHost
from htr_tui.panel.widgets.picture_view import PictureView
from htr_tui.panel.widgets.trial_table import VirtualTable
from tests.panel.widgets.screen_text import shown_lines
from tests.panel.widgets.test_trial_table import COLUMNS, Rows
from tests.panel.widgets.waiting import wait_until


class FacesApp(App[None]):
    CSS = "VirtualTable, LogView, ChartGrid, PictureView { height: 1fr; }"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def compose(self) -> ComposeResult:
        with Vertical():
            yield DeviceStrip()
            yield VirtualTable(COLUMNS)
            yield LogView(self.path)
            yield ChartGrid()
            yield PictureView()

    def on_mount(self) -> None:
        self.query_one(DeviceStrip).set_devices([StripGpu(0, 1e9, 2e9, 50, 60)], StripHost(5, 1e9, 2e9, 0.5))
        self.query_one(VirtualTable).set_rows(Rows(range(100)))
        self.query_one(ChartGrid).set_charts([("val/psnr", [Series("val/psnr", [(1, 1.0), (2, 2.0)])])])


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (20, 4), (1, 1)])
@pytest.mark.parametrize("no_color", [False, True])
async def test_every_widget_draws_in_every_theme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], no_color: bool
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    path = tmp_path / "log.txt"
    path.write_bytes(b"Traceback (most recent call last):\nWARNING: x\nplain\n")
    app = FacesApp(path)
    async with app.run_test(size=size) as pilot:
        view = app.query_one(LogView)
        await wait_until(pilot, lambda: view.lines.line_count == 3)
        for theme in app.available_themes:
            app.theme = theme
            await pilot.pause()
            for widget in app.screen.walk_children():
                assert isinstance(widget, Widget)
                lines = shown_lines(widget)
                assert all(cell_len(line) <= widget.outer_size.width for line in lines), (theme, widget)
