from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from htr_tui.panel.widgets.curve_plot import PlotFace, Series, plot_lines
from htr_tui.panel.widgets.curve_points import (
    Point,
    Scale,
    best_point,
    guess_better,
    in_order,
    split_runs,
    thin,
    tick_labels,
    value_text,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANY_POINTS = st.lists(st.tuples(st.floats(), st.floats()), max_size=60)


def text_of(lines: list[list[tuple[str, str]]]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def has_dots(text: str) -> bool:
    return any(0x2800 < ord(character) < 0x2900 for character in text)


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=200), st.integers(4, 60))
def test_thinning_keeps_the_ends_and_the_extremes(points: list[Point], limit: int) -> None:
    kept = thin(points, limit)
    assert len(kept) <= limit
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    values = [y for _, y in points]
    assert min(y for _, y in kept) == min(values)
    assert max(y for _, y in kept) == max(values)
    places = iter(points)
    assert all(point in places for point in kept), "the order stays"


@given(ANY_POINTS, st.integers(-2, 70))
def test_thinning_takes_any_points(points: list[Point], limit: int) -> None:
    kept = thin(points, limit)
    assert len(kept) <= max(0, limit) or len(points) <= limit
    assert kept == points or len(points) > limit or any(math.isnan(x) or math.isnan(y) for x, y in points)


def test_a_peak_survives_thinning() -> None:
    points = [(float(i), 0.0) for i in range(10_000)]
    points[4321] = (4321.0, 9.0)
    assert (4321.0, 9.0) in thin(points, 50)


def test_gaps_split_a_curve() -> None:
    nan = math.nan
    assert split_runs([(1, 1), (2, nan), (3, 3), (4, math.inf), (5, nan)]) == [[(1, 1)], [(3, 3)]]
    assert split_runs([]) == []


def test_of_an_epoch_done_twice_the_later_value_counts() -> None:
    assert in_order([(1, 1), (2, 2), (3, 3), (2, 20), (3, 30)]) == ((1, 1), (2, 20), (3, 30))
    assert in_order([(3, 1), (1, 2)]) == ((1, 2), (3, 1))


def test_best_values() -> None:
    points = [(1.0, 3.0), (2.0, math.nan), (3.0, 5.0), (4.0, 5.0)]
    assert best_point(points, "max") == (3.0, 5.0)
    assert best_point(points, "min") == (1.0, 3.0)
    assert best_point(points, None) is None
    assert best_point([(1, math.nan)], "max") is None


@pytest.mark.parametrize(
    ("name", "better"),
    [("val/psnr", "max"), ("val/cer", "min"), ("loss/total", "min"), ("train/learning_rate", None), ("d_loss", "min")],
)
def test_the_direction_of_a_metric(name: str, better: str | None) -> None:
    assert guess_better(name) == better


@given(st.lists(FINITE, min_size=1, max_size=20), st.booleans(), st.integers(1, 12))
def test_scales_and_ticks_take_any_range(values: list[float], is_log: bool, count: int) -> None:
    if is_log:
        values = [abs(value) for value in values if value != 0] or [1.0]
    scale = Scale.around(values, is_log)
    assert all(0 <= scale.share(value) <= 1 for value in values)
    assert scale.share(min(values)) <= scale.share(max(values))
    ticks = scale.ticks(count)
    assert 1 <= len(ticks) <= max(count, 2)
    assert len(tick_labels(ticks)) == len(ticks)


def test_ticks_are_round() -> None:
    assert tick_labels(Scale(0, 150).ticks(3)) == ["0", "100"]
    assert tick_labels(Scale(0, 150).ticks(4)) == ["0", "50", "100", "150"]
    assert tick_labels(Scale(0.1, 0.9).ticks(4)) == ["0.2", "0.4", "0.6", "0.8"]
    assert tick_labels(Scale(0.001, 100, True).ticks(6))[0] == "0.001"


@pytest.mark.parametrize(
    ("value", "text"),
    [(20.314, "20.31"), (0.26123, "0.2612"), (1.5, "1.500"), (12345.6, "12346"), (math.nan, "nan"), (1e12, "1.00e+12")],
)
def test_values_have_about_four_digits(value: float, text: str) -> None:
    assert value_text(value) == text


@given(
    st.lists(ANY_POINTS, max_size=4),
    st.integers(0, 70),
    st.integers(0, 25),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["max", "min", None]),
)
def test_any_curves_at_any_size_fill_the_lines_asked_for(
    curves: list[list[Point]], width: int, height: int, is_log: bool, ascii: bool, better: str | None
) -> None:
    series = [Series(f"[/s{i}]", in_order(points), i) for i, points in enumerate(curves)]
    face = PlotFace("title", better, is_log, ascii)  # type: ignore[arg-type]
    lines = text_of(plot_lines(series, face, width, height))
    assert len(lines) == height
    assert all(cell_len(line) <= width for line in lines)
    assert not ascii or all(line.isascii() for line in lines)


def test_a_curve_has_its_facts() -> None:
    points = tuple((float(i), 10 + (i if i < 20 else 19)) for i in range(1, 31))
    text = "\n".join(text_of(plot_lines([Series("val/psnr", points)], PlotFace("val/psnr", "max"), 60, 12)))
    assert "val/psnr" in text
    assert "29.00  ◆ 29.00 @19" in text
    assert "◆" in text.split("\n", 1)[1]
    assert has_dots(text)
    last = text.splitlines()[-1]
    assert last.split()[0] == "epoch" or last.split()[0] == "1"
    assert last.rstrip().endswith("30")


@pytest.mark.parametrize(
    "points", [((1.0, 5.0),), tuple((float(i), 7.0) for i in range(9)), ((1.0, 1e308), (2.0, -1e308))]
)
def test_one_value_one_level_and_the_widest_range_are_drawn(points: tuple[Point, ...]) -> None:
    text = "\n".join(text_of(plot_lines([Series("m", points)], PlotFace("m"), 50, 10)))
    assert has_dots(text)


def test_gaps_stay_gaps() -> None:
    def dots(points: list[Point]) -> int:
        lines = text_of(plot_lines([Series("m", points)], PlotFace("m"), 60, 12))
        return sum(has_dots(character) for line in lines for character in line)

    whole = dots([(float(i), float(i % 2)) for i in range(10)])
    assert 0 < dots([(float(i), float(i % 2) if i not in (3, 4, 5) else math.nan) for i in range(10)]) < whole


def test_faces_without_a_curve() -> None:
    def face(points: tuple[Point, ...], is_log: bool = False, size: tuple[int, int] = (60, 12)) -> str:
        return "\n".join(text_of(plot_lines([Series("m", points)], PlotFace("m", "max", is_log), *size)))

    assert "no values yet" in face(())
    assert "none of them finite" in face(((1, math.nan), (2, math.inf)))
    assert "no value above 0" in face(((1, -1.0), (2, 0.0)), is_log=True)
    assert "no values yet" in "\n".join(text_of(plot_lines([], PlotFace("m"), 60, 12)))
    small = face(((1, 1.0), (2, 2.5)), size=(20, 4))
    assert "2.5" in small


def test_a_log_scale_spreads_small_values() -> None:
    points = tuple((float(i), 1000 * math.exp(-i)) for i in range(12))
    plain = text_of(plot_lines([Series("m", points)], PlotFace("m"), 60, 14))
    spread = text_of(plot_lines([Series("m", points)], PlotFace("m", is_log=True), 60, 14))
    assert "(log)" in spread[0]
    fullest_plain, fullest_spread = (max(sum(map(has_dots, line)) for line in lines) for lines in (plain, spread))
    assert fullest_spread < fullest_plain / 3


def test_several_curves_have_a_legend_and_differ_without_colour() -> None:
    series = [Series(f"run {i}", tuple((float(x), x * (i + 1.0)) for x in range(20)), i) for i in range(6)]
    lines = text_of(plot_lines(series, PlotFace("m"), 60, 12))
    assert "run 0" in lines[-4]
    assert "and 3 more" in lines[-1]
    assert len({line[:5] for line in lines[-4:-1]}) == 3


def test_the_work_does_not_grow_with_the_points(monkeypatch: pytest.MonkeyPatch) -> None:
    from htr_tui.panel.widgets.dot_canvas import DotCanvas

    drawn: list[None] = []
    for name in ("line", "point"):
        original = getattr(DotCanvas, name)

        def spy(self: DotCanvas, *args: object, original: object = original) -> object:
            drawn.append(None)
            return original(self, *args)  # type: ignore[operator]

        monkeypatch.setattr(DotCanvas, name, spy)
    for gap in (10**9, 2):
        drawn.clear()
        points = tuple((float(i), math.nan if i % gap == 1 else math.sin(i)) for i in range(50_000))
        plot_lines([Series("m", points)], PlotFace("m"), 80, 20)
        assert 0 < len(drawn) <= 4 * 80 + 8
