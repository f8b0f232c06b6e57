from __future__ import annotations

import math

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from htr_tui.panel.widgets.curve_chart import CurveChart, Series
from htr_tui.panel.widgets.curve_plot import plot_lines
from tests.panel.widgets.screen_text import shown_text


class ChartApp(App[None]):
    def __init__(self, chart: CurveChart) -> None:
        super().__init__()
        self.chart = chart

    def compose(self) -> ComposeResult:
        yield self.chart


async def test_equal_curves_are_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    chart = CurveChart("val/psnr", ascii=False)
    async with ChartApp(chart).run_test(size=(80, 24)) as pilot:
        chart.set_points([(1, 1.0), (2, math.nan), (3, 2.0)])
        await pilot.pause()
        assert "2.000" in shown_text(chart)
        refreshed: list[object] = []
        monkeypatch.setattr(CurveChart, "refresh", lambda self, *regions, **options: refreshed.append(regions))
        chart.set_points([(1, 1.0), (2, math.nan), (3, 2.0)])
        assert refreshed == []
        chart.set_points([(1, 1.0), (2, math.nan), (3, 2.5)])
        assert len(refreshed) == 1


async def test_lines_are_made_once_for_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[None] = []

    def spy(*args: object) -> object:
        made.append(None)
        return plot_lines(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("htr_tui.panel.widgets.curve_chart.plot_lines", spy)
    chart = CurveChart("val/psnr", ascii=False)
    async with ChartApp(chart).run_test(size=(80, 24)) as pilot:
        chart.set_points([(1, 1.0), (2, 3.0)])
        await pilot.pause()
        made.clear()
        chart.render_lines(Region(0, 0, 80, 12))
        assert made == []


async def test_the_key_for_the_log_scale() -> None:
    chart = CurveChart("loss/total", ascii=False)
    async with ChartApp(chart).run_test(size=(80, 24)) as pilot:
        chart.set_series([Series("a", [(i, 10.0**-i) for i in range(9)]), Series("b", [(1, 1.0)], 1)])
        chart.focus()
        await pilot.press("y")
        assert "(log)" in shown_text(chart)
        await pilot.press("y")
        assert "(log)" not in shown_text(chart)


async def test_ascii_and_tiny() -> None:
    chart = CurveChart("val/psnr", ascii=True)
    chart.styles.height = 4
    async with ChartApp(chart).run_test(size=(20, 4)) as pilot:
        chart.set_points([(i, math.sin(i)) for i in range(100)])
        await pilot.pause()
        assert shown_text(chart).isascii()
        assert "val/psnr" in shown_text(chart)
        assert "too small to draw" in shown_text(chart)


async def test_every_theme_gives_the_curves_a_colour() -> None:
    chart = CurveChart("val/psnr", ascii=False)
    app = ChartApp(chart)
    async with app.run_test(size=(80, 24)) as pilot:
        chart.set_series([Series(str(n), [(1, float(n)), (2, 1.0)], n) for n in range(6)])
        for theme in app.available_themes:
            app.theme = theme
            await pilot.pause()
            colours = {str(chart.get_component_rich_style(f"curve-chart--series-{n}").color) for n in range(6)}
            assert len(colours) >= 4, theme
