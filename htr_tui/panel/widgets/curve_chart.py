"""A line chart in braille dots (or ASCII) that redraws only when its curves changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.strip import Strip
from textual.widget import Widget

from htr_tui.panel.format import is_ascii_terminal
from htr_tui.panel.widgets.curve_plot import SERIES_ROLES, Piece, PlotFace, Series, plot_lines
from htr_tui.panel.widgets.curve_points import Better, Point, guess_better, in_order, thin

__all__ = ["CurveChart", "Series", "thin"]


class CurveChart(Widget, can_focus=True):
    """Curves over epochs, with the last and the best value of each; `y` switches to a logarithmic axis."""

    ALLOW_SELECT = False
    ALLOW_MAXIMIZE = True

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "curve-chart--title",
        "curve-chart--axis",
        "curve-chart--grid",
        "curve-chart--label",
        "curve-chart--note",
        "curve-chart--warn",
        "curve-chart--best",
        *(f"curve-chart--series-{i}" for i in range(SERIES_ROLES)),
    }

    DEFAULT_CSS = """
    CurveChart {
        height: 12;
        padding: 0 1;
        background: $surface;
        color: $foreground;
        & > .curve-chart--title { color: $foreground; text-style: bold; }
        & > .curve-chart--axis { color: $text-disabled; }
        & > .curve-chart--grid { color: $foreground 12%; }
        & > .curve-chart--label { color: $text-muted; }
        & > .curve-chart--note { color: $text-muted; text-style: italic; }
        & > .curve-chart--warn { color: $text-warning; }
        & > .curve-chart--best { color: $text-muted; }
        & > .curve-chart--series-0 { color: $text-primary; }
        & > .curve-chart--series-1 { color: $text-accent; }
        & > .curve-chart--series-2 { color: $text-success; }
        & > .curve-chart--series-3 { color: $text-error; }
        & > .curve-chart--series-4 { color: $text-secondary; }
        & > .curve-chart--series-5 { color: $text-warning; }
        &:focus { background: $boost; }
        &:focus > .curve-chart--title { color: $text-primary; text-style: bold reverse; }
        &.-maximized { height: 1fr; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "toggle_log_scale", "Log scale", show=False)]

    def __init__(
        self,
        title: str = "",
        *,
        better: Better | None = None,
        x_name: str = "epoch",
        ascii: bool | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._series: tuple[Series, ...] = ()
        self._face = PlotFace(
            title,
            guess_better(title) if better is None else better,
            ascii=is_ascii_terminal() if ascii is None else ascii,
            x_name=x_name,
        )
        self._drawn_for: tuple[int, int] | None = None
        self._drawn_lines: list[list[Piece]] = []

    @property
    def chart_title(self) -> str:
        """The metric's name."""
        return self._face.title

    @property
    def series(self) -> tuple[Series, ...]:
        """The curves as they are drawn."""
        return self._series

    @property
    def is_log(self) -> bool:
        """Whether the value axis is logarithmic."""
        return self._face.is_log

    def set_series(self, series: Sequence[Series]) -> None:
        """Replace the curves; points may come in any order. Equal curves draw nothing."""
        ordered = tuple(Series(one.name, in_order(one.points), one.style_index) for one in series)
        if not _is_same(ordered, self._series):
            self._series = ordered
            self._redraw()

    def set_points(self, points: Sequence[Point]) -> None:
        """Show a single curve, named by the title."""
        self.set_series([Series(self._face.title, tuple(points))])

    def set_log_scale(self, is_log: bool) -> None:
        """Choose the value axis."""
        if is_log != self._face.is_log:
            face = self._face
            self._face = PlotFace(face.title, face.better, is_log, face.ascii, face.x_name, face.empty_text)
            self._redraw()

    def action_toggle_log_scale(self) -> None:
        """Logarithmic axis on or off."""
        self.set_log_scale(not self._face.is_log)

    def render_line(self, y: int) -> Strip:
        """One line of the chart; all are drawn together when something changed."""
        size = (self.size.width, self.size.height)
        if self._drawn_for != size:
            self._drawn_lines = plot_lines(self._series, self._face, *size)
            self._drawn_for = size
        base = self.rich_style
        if y >= len(self._drawn_lines):
            return Strip.blank(size[0], base)
        segments = [
            Segment(text, self.get_component_rich_style(f"curve-chart--{role}") if role else base)
            for text, role in self._drawn_lines[y]
        ]
        return Strip(segments).adjust_cell_length(size[0], base)

    def _redraw(self) -> None:
        self._drawn_for = None
        self.refresh()


def _is_same(a: tuple[Series, ...], b: tuple[Series, ...]) -> bool:
    """Equality in which not-a-number equals itself: `repr` tells every float from every other."""
    return a == b or (len(a) == len(b) and repr(a) == repr(b))
