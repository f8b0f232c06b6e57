from __future__ import annotations

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from htr_tui.panel.widgets.chart_grid import ChartGrid
from htr_tui.panel.widgets.chart_groups import group_charts
from htr_tui.panel.widgets.curve_chart import CurveChart, Series
from tests.panel.widgets.screen_text import shown_text

NAMES = ["val/psnr", "val/ssim", "val/cer", "loss/pixel", "loss/adv", "speed"]


def charts_of(names: list[str], last: float = 2.0) -> list[tuple[str, list[Series]]]:
    return [(name, [Series(name, [(1.0, 1.0), (2.0, last)])]) for name in names]


class GridApp(App[None]):
    def __init__(self, grid: ChartGrid) -> None:
        super().__init__()
        self.grid = grid

    def compose(self) -> ComposeResult:
        yield self.grid


def titles(pilot: Pilot[None]) -> list[str]:
    return [chart.chart_title for chart in pilot.app.query(CurveChart)]


def focused(pilot: Pilot[None]) -> str | None:
    chart = pilot.app.focused
    return chart.chart_title if isinstance(chart, CurveChart) else None


def test_groups_follow_the_prefix() -> None:
    groups = group_charts(charts_of(NAMES))
    assert [(group.heading, [chart.title for chart in group.charts]) for group in groups] == [
        ("val", NAMES[:3]),
        ("loss", NAMES[3:5]),
        ("", ["speed"]),
    ]


def test_train_and_val_of_a_metric_share_a_chart() -> None:
    charts = charts_of(["val/loss", "val/cer", "train/loss"])
    merged = group_charts(charts)[0].charts[0]
    assert merged.title == "train+val/loss"
    assert [(series.name, series.style_index) for series in merged.series] == [("train", 0), ("val", 1)]
    assert [chart.title for group in group_charts(charts) for chart in group.charts] == ["train+val/loss", "val/cer"]
    apart = [chart.title for group in group_charts(charts, overlay=False) for chart in group.charts]
    assert apart == ["val/loss", "val/cer", "train/loss"]
    several = [("val/loss", [Series("a", []), Series("b", [])]), ("train/loss", [Series("a", [])])]
    assert [group.heading for group in group_charts(several)] == ["val", "train"]


async def test_columns_follow_the_width() -> None:
    for size, columns in (((80, 24), 2), ((200, 60), 3), ((30, 10), 1)):
        grid = ChartGrid(ascii=False)
        async with GridApp(grid).run_test(size=size) as pilot:
            grid.set_charts(charts_of(NAMES))
            await pilot.pause()
            await pilot.pause()
            first_row = [chart for chart in grid.charts if chart.region.y == grid.charts[0].region.y]
            assert len(first_row) == columns
            assert titles(pilot) == NAMES
            assert grid.max_scroll_y > 0 or size[1] > 24


async def test_new_values_keep_the_charts_and_new_metrics_keep_the_focus() -> None:
    grid = ChartGrid(ascii=False)
    async with GridApp(grid).run_test(size=(80, 24)) as pilot:
        grid.set_charts(charts_of(NAMES))
        await pilot.pause()
        before = grid.charts
        grid.focus()
        grid.set_charts(charts_of(NAMES, last=7.25))
        await pilot.pause()
        assert grid.charts == before
        assert "7.250" in shown_text(before[0])
        await pilot.press("right")
        grid.set_charts(charts_of([*NAMES, "val/[/new]"]))
        await pilot.pause()
        await pilot.pause()
        assert titles(pilot) == [*NAMES[:3], "val/[/new]", *NAMES[3:]]
        assert focused(pilot) == "val/ssim"


async def test_arrows_move_and_enter_enlarges() -> None:
    grid = ChartGrid(ascii=False)
    async with GridApp(grid).run_test(size=(80, 24)) as pilot:
        grid.set_charts(charts_of(NAMES))
        await pilot.pause()
        grid.focus()
        await pilot.pause()
        assert focused(pilot) == "val/psnr"
        for key, expected in (
            ("right", "val/ssim"),
            ("down", "val/cer"),
            ("down", "loss/pixel"),
            ("right", "loss/adv"),
            ("right", "speed"),
            ("right", "speed"),
            ("up", "loss/pixel"),
            ("left", "val/cer"),
        ):
            await pilot.press(key)
            assert focused(pilot) == expected
        await pilot.press("enter")
        await pilot.pause()
        enlarged = pilot.app.screen.maximized
        assert isinstance(enlarged, CurveChart)
        assert enlarged.size.height > 20
        await pilot.press("left")
        await pilot.pause()
        assert focused(pilot) == "val/ssim"
        assert pilot.app.screen.maximized is pilot.app.focused
        await pilot.press("escape")
        await pilot.pause()
        assert pilot.app.screen.maximized is None
        assert grid.charts[0].size.height == 12


async def test_without_metrics_it_says_so() -> None:
    grid = ChartGrid(ascii=False)
    async with GridApp(grid).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "No metrics yet" in "".join(shown_text(child) for child in grid.children)
        await pilot.press("down", "enter")
        grid.set_charts(charts_of(["a"]))
        await pilot.pause()
        await pilot.pause()
        assert titles(pilot) == ["a"]
        grid.set_charts([])
        await pilot.pause()
        await pilot.pause()
        assert titles(pilot) == []
