"""Charts in as many columns as fit, under headings, with one of them enlarged on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Grid, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from htr_tui.panel.format import is_ascii_terminal, to_ascii
from htr_tui.panel.widgets.chart_groups import ChartGroup, group_charts
from htr_tui.panel.widgets.curve_chart import CurveChart, Series
from htr_tui.text import clean_text

MIN_CHART_WIDTH: Final = 38
"""Cells a chart needs to be read well; two stand beside each other in 80 columns."""

MAX_COLUMNS: Final = 4


class ChartGrid(VerticalScroll, can_focus=False):
    """Shows one chart a metric; arrows go from chart to chart, enter enlarges, escape goes back, `y` is logarithmic."""

    DEFAULT_CSS = """
    ChartGrid {
        height: 1fr;
        & > Static { height: 1; padding: 0 1; color: $text-muted; text-style: bold; }
        & > .chart-grid--empty { text-style: italic; }
        & > Grid { height: auto; grid-size: 1; grid-rows: 12; grid-gutter: 0 1; }
        & > Grid > CurveChart { height: 12; }
        & > Grid > CurveChart.-maximized { height: 1fr; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "go(0, -1)", "Chart to the left", show=False),
        Binding("right", "go(0, 1)", "Chart to the right", show=False),
        Binding("up,k", "go(-1, 0)", "Chart above", show=False),
        Binding("down,j", "go(1, 0)", "Chart below", show=False),
        Binding("enter", "enlarge", "Enlarge", show=False),
        Binding("escape", "shrink", "Back to all charts", show=False),
    ]

    def __init__(
        self,
        *,
        overlay: bool = True,
        empty_text: str = "No metrics yet.",
        ascii: bool | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._overlay = overlay
        self._empty_text = empty_text
        self._is_ascii = is_ascii_terminal() if ascii is None else ascii
        self._groups: list[ChartGroup] = []
        self._rows: list[list[CurveChart]] = []
        self._grids: list[tuple[Grid, list[CurveChart]]] = []
        self._charts: dict[str, CurveChart] = {}
        self._column_count = 1

    def on_mount(self) -> None:
        """Stand empty until there are charts, or with those that came before."""
        self._rebuild()

    def focus(self, scroll_visible: bool = True) -> ChartGrid:
        """Give the focus to the first chart."""
        if self._rows:
            self._rows[0][0].focus(scroll_visible)
        return self

    @property
    def charts(self) -> tuple[CurveChart, ...]:
        """The charts in their order."""
        return tuple(self._charts.values())

    def set_charts(self, charts: Sequence[tuple[str, Sequence[Series]]]) -> None:
        """Show these metrics; charts that are there already only get new curves."""
        groups = group_charts(charts, self._overlay)
        is_new = _shape(groups) != _shape(self._groups)
        self._groups = groups
        if is_new and self.is_attached:
            self._rebuild()
        for group in groups:
            for spec in group.charts:
                if spec.title in self._charts:
                    self._charts[spec.title].set_series(spec.series)

    def _rebuild(self) -> None:
        focused = next((chart.chart_title for chart in self.charts if chart.has_focus), None)
        if self._has_enlarged():
            self.screen.minimize()
        self._charts.clear()
        self._grids = []
        children: list[Static | Grid] = []
        for group in self._groups:
            if len(self._groups) > 1:
                heading = clean_text(group.heading or "others", 100)
                children.append(Static(Content(to_ascii(heading) if self._is_ascii else heading)))
            charts = [CurveChart(spec.title, ascii=self._is_ascii) for spec in group.charts]
            for chart, spec in zip(charts, group.charts, strict=True):
                chart.set_series(spec.series)
                self._charts[spec.title] = chart
            grid = Grid(*charts)
            self._grids.append((grid, charts))
            children.append(grid)
        if not children:
            children.append(Static(Content(self._empty_text), classes="chart-grid--empty"))
        self.remove_children()
        self.mount_all(children)
        self._arrange()
        if focused in self._charts:
            self.call_after_refresh(self._charts[focused].focus, False)

    def on_resize(self) -> None:
        """Use the width there is."""
        self._arrange()

    def _arrange(self) -> None:
        self._column_count = max(1, min(MAX_COLUMNS, self.size.width // MIN_CHART_WIDTH))
        self._rows = []
        for grid, charts in self._grids:
            columns = min(self._column_count, len(charts))
            self._rows.extend(charts[i : i + columns] for i in range(0, len(charts), columns))
            grid.styles.grid_size_columns = columns

    # --- keys ------------------------------------------------------------------------------------------------------

    def action_go(self, down: int, right: int) -> None:
        """To the next chart in a direction; sideways goes on in the next row."""
        place = next(
            ((r, c) for r, row in enumerate(self._rows) for c, chart in enumerate(row) if chart.has_focus), None
        )
        if place is None:
            self.focus()
            return
        row, column = place
        if down:
            row = max(0, min(len(self._rows) - 1, row + down))
            target = self._rows[row][min(column, len(self._rows[row]) - 1)]
        else:
            flat = [chart for charts in self._rows for chart in charts]
            target = flat[max(0, min(len(flat) - 1, flat.index(self._rows[row][column]) + right))]
        is_enlarged = self._has_enlarged()
        if is_enlarged:
            self.screen.minimize()
        target.focus()
        if is_enlarged:
            self.screen.maximize(target, container=False)

    def action_enlarge(self) -> None:
        """Fill the screen with the chart that has the focus; again: go back."""
        if self._has_enlarged():
            self.action_shrink()
            return
        chart = next((chart for chart in self.charts if chart.has_focus), None)
        if chart is not None:
            self.screen.maximize(chart, container=False)

    def action_shrink(self) -> None:
        """Show all charts again."""
        self.screen.minimize()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave escape to the screen while nothing is enlarged."""
        if action == "shrink":
            return self._has_enlarged()
        return super().check_action(action, parameters)

    def _has_enlarged(self) -> bool:
        return self.is_attached and self.screen.maximized in self._charts.values()


def _shape(groups: Sequence[ChartGroup]) -> list[tuple[str, tuple[str, ...]]]:
    return [(group.heading, tuple(spec.title for spec in group.charts)) for group in groups]
