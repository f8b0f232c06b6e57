"""Draws curves with axes and legend as lines of text pieces, each with a role that the style sheet colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from rich.cells import cell_len

from htr_tui.panel.format import number, to_ascii
from htr_tui.panel.widgets.curve_points import (
    Better,
    Point,
    Scale,
    best_point,
    is_finite,
    split_runs,
    thin,
    tick_labels,
    value_text,
)
from htr_tui.panel.widgets.dot_canvas import DotCanvas, sample
from htr_tui.panel.widgets.table_rows import fit
from htr_tui.text import clean_text

Piece = tuple[str, str]
"""Text and role: title, axis, grid, label, note, warn, best, or series-N."""

SERIES_ROLES: Final = 6
MIN_PLOT: Final = (10, 3)
"""Cells across and rows that a plot needs; less gives the values as text."""


@dataclass(frozen=True, slots=True)
class Series:
    """One curve."""

    name: str
    points: Sequence[Point]
    """In any order; of two points with the same x the later counts."""
    style_index: int = 0
    """Chooses colour and dash pattern, so that a run looks the same in all charts."""


@dataclass(frozen=True, slots=True)
class PlotFace:
    """What a chart is to look like."""

    title: str = ""
    better: Better | None = None
    is_log: bool = False
    ascii: bool = False
    x_name: str = "epoch"
    empty_text: str = "no values yet"


def series_role(index: int) -> str:
    """The role of a curve."""
    return f"series-{index % SERIES_ROLES}"


def plot_lines(series: Sequence[Series], face: PlotFace, width: int, height: int) -> list[list[Piece]]:
    """Exactly `height` lines; none is wider than `width` cells."""
    if width <= 0 or height <= 0:
        return [[] for _ in range(max(0, height))]
    drawn = [_positive(one) if face.is_log else one for one in series]
    has_values = any(is_finite(point) for one in drawn for point in one.points)
    lines = [_title_line(series, face, width)]
    legend = _legend_lines(series, face, width, max(1, height // 3)) if len(series) > 1 else []
    rows = height - 1 - len(legend) - (2 if height >= 8 else 1)
    if not has_values:
        lines.extend([[], [("  " + _empty_text(series, face), "note")]])
    else:
        plot = _plot(drawn, face, width, rows, has_axis=height >= 8)
        lines.extend(_values_as_text(series, face) if plot is None else plot)
    lines.extend(legend)
    return [_cut(line, width, face.ascii) for line in (lines + [[]] * height)[:height]]


def _plot(series: Sequence[Series], face: PlotFace, width: int, rows: int, has_axis: bool) -> list[list[Piece]] | None:
    """Axes and curves; None if there is no room."""
    finite = [point for one in series for point in one.points if is_finite(point)]
    y_scale = Scale.around([y for _, y in finite], face.is_log)
    x_scale = Scale(min(x for x, _ in finite), max(x for x, _ in finite))
    ticks = y_scale.ticks(max(3, rows // 2 if rows < 9 else rows // 3))
    labels = tick_labels(ticks)
    label_width = max(len(label) for label in labels)
    columns = width - label_width - 2
    if columns < MIN_PLOT[0] or rows < MIN_PLOT[1]:
        return None
    canvas = DotCanvas(columns, rows, face.ascii)
    for one in series:
        _draw(canvas, one, x_scale, y_scale)
    for one in series:
        best = best_point(one.points, face.better)
        if best is not None:
            canvas.mark(
                canvas.dot(x_scale.share(best[0]), y_scale.share(best[1])), "@" if face.ascii else "◆", one.style_index
            )
    tick_rows = {canvas.row(y_scale.share(tick)): text for tick, text in zip(ticks, labels, strict=True)}
    grid = " " if face.ascii else "┈"
    lines = [_plot_line(canvas.cells(row), tick_rows.get(row), label_width, grid) for row in range(rows)]
    return [*lines, *_x_axis(x_scale, face, label_width, columns, has_axis)]


def _draw(canvas: DotCanvas, one: Series, x_scale: Scale, y_scale: Scale) -> None:
    limit = 4 * canvas.columns
    runs = split_runs(one.points)
    if len(runs) > limit:  # more gaps than columns: lines would only fill the plane
        runs = [[point] for run in thin([point for run in runs for point in run], limit) for point in [run]]
    share = max(4, limit // max(1, len(runs)))
    for run in runs:
        dots = [canvas.dot(x_scale.share(x), y_scale.share(y)) for x, y in thin(run, max(share, 4))]
        if len(dots) == 1:
            canvas.point(dots[0], one.style_index)
        phase = 0
        for start, end in pairwise(dots):
            phase = canvas.line(start, end, one.style_index, phase)


def _plot_line(cells: Sequence[tuple[str, int | None]], label: str | None, label_width: int, grid: str) -> list[Piece]:
    line: list[Piece] = [((label or "").rjust(label_width), "label"), (" ┤" if label else " │", "axis")]
    for style, group in groupby(cells, key=lambda cell: cell[1]):
        text = "".join(character for character, _ in group)
        if style is None:
            line.append((grid * len(text), "grid") if label else (text, ""))
        else:
            line.append((text, series_role(style)))
    return line


def _x_axis(x_scale: Scale, face: PlotFace, label_width: int, columns: int, has_axis: bool) -> list[list[Piece]]:
    """The line of the axis and that of its labels: both ends, and round values where they fit."""
    taken = [" "] * columns
    ticks: list[int] = []
    ends = [x_scale.low, x_scale.high] if x_scale.high > x_scale.low else [x_scale.low]
    inner = [tick for tick in x_scale.ticks(max(2, columns // 10)) if tick not in ends] if len(ends) > 1 else []
    if all(end == round(end) for end in ends):
        inner = [tick for tick in inner if tick == round(tick)]  # there is no half epoch
    is_whole = all(value == round(value) for value in [*ends, *inner])
    digits = max((len(text.partition(".")[2]) for text in tick_labels(inner)), default=0 if is_whole else 1)
    for value in [*ends, *inner]:
        text = number(round(value, digits), digits)
        at = round(x_scale.share(value) * (columns - 1))
        start = max(0, min(columns - len(text), at - len(text) // 2))
        around = taken[max(0, start - 1) : start + len(text) + 1]
        if start + len(text) <= columns and all(character == " " for character in around):
            taken[start : start + len(text)] = text
            ticks.append(at)
    name = face.x_name if len(face.x_name) <= label_width else ""
    labels: list[Piece] = [(name.rjust(label_width) + "  ", "axis"), ("".join(taken), "label")]
    if not has_axis:
        return [labels]
    line = "".join("┬" if i in ticks else "─" for i in range(columns))
    return [[(" " * label_width + " ╰", "axis"), (line, "axis")], labels]


def _title_line(series: Sequence[Series], face: PlotFace, width: int) -> list[Piece]:
    title = clean_text(face.title, 200) + (" (log)" if face.is_log else "")
    if len(series) != 1:
        return [(title, "title")]
    facts = _facts(series[0], face)
    room = width - sum(cell_len(text) for text, _ in facts) - 1
    if room < min(12, cell_len(title)):
        facts, room = facts[:1], width - cell_len(facts[0][0]) - 1
    shown = fit(title, min(room, cell_len(title)), "left") if room > 0 else ""
    return [(shown, "title"), (" " * (max(0, room) - cell_len(shown) + 1), ""), *facts]


def _facts(one: Series, face: PlotFace) -> list[Piece]:
    """Last and best value of a curve, and how many values have no place."""
    if not one.points:
        return [("no values", "note")]
    facts: list[Piece] = [(value_text(one.points[-1][1]), series_role(one.style_index))]
    best = best_point(one.points, face.better)
    if best is not None:
        facts.append((f"  ◆ {value_text(best[1])} @{number(best[0], 0)}", "best"))
    lost = sum(not is_finite(point) for point in one.points)
    if lost:
        facts.append((f"  {lost} nan", "warn"))
    return facts


def _legend_lines(series: Sequence[Series], face: PlotFace, width: int, room: int) -> list[list[Piece]]:
    shown = series if len(series) <= room else series[: max(0, room - 1)]
    lines = []
    for one in shown:
        facts = _facts(one, face)
        name_room = max(4, width - 5 - sum(cell_len(text) for text, _ in facts) - 2)
        names = max((cell_len(clean_text(other.name, 200)) for other in series), default=0)
        name = fit(clean_text(one.name, 200), min(name_room, names), "left")
        lines.append(
            [(f" {sample(one.style_index, face.ascii)} ", series_role(one.style_index)), (name + "  ", "label"), *facts]
        )
    if len(shown) < len(series):
        lines.append([(f" and {len(series) - len(shown)} more", "note")])
    return lines


def _values_as_text(series: Sequence[Series], face: PlotFace) -> list[list[Piece]]:
    """The face for too little room: the values without a curve."""
    if len(series) != 1:
        return [[(" too small to draw", "note")]]
    return [[(" ", ""), *_facts(series[0], face)], [(" too small to draw", "note")]]


def _empty_text(series: Sequence[Series], face: PlotFace) -> str:
    count = sum(len(one.points) for one in series)
    if not count:
        return face.empty_text
    if face.is_log and any(is_finite(point) for one in series for point in one.points):
        return "no value above 0 for a log scale"
    return f"{count} values, none of them finite" if count > 1 else "the only value is not finite"


def _positive(one: Series) -> Series:
    """For a log scale: what is not above zero becomes a gap."""
    points = tuple((x, y if y > 0 else float("nan")) for x, y in one.points)
    return Series(one.name, points, one.style_index)


def _cut(line: Sequence[Piece], width: int, ascii: bool) -> list[Piece]:
    """The pieces that fit into `width` cells."""
    found: list[Piece] = []
    for text, role in line:
        if width <= 0:
            break
        length = cell_len(text)
        shown = text if length <= width else fit(text, width, "left")
        found.append((to_ascii(shown) if ascii else shown, role))
        width -= min(length, width)
    return found
