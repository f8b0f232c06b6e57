from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from htr_tui.panel.frame import key_bar
from htr_tui.panel.frame.header import HeaderPart, fit
from htr_tui.panel.frame.key_bar import KeyHint
from htr_tui.panel.frame.lines import Lines, wrap_words
from htr_tui.panel.frame.progress import epoch_bar, epochs_done, step_text
from htr_tui.panel.frame.sparkline import sparkline
from htr_tui.panel.views import LiveAttempt
from tests.panel.driving import open_panel


@given(st.lists(st.floats(), max_size=200), st.integers(0, 60), st.booleans())
def test_any_values_make_a_sparkline_of_the_width(values: list[float], width: int, ascii: bool) -> None:
    line = sparkline(values, width, ascii)
    assert cell_len(line) <= width
    assert not ascii or line.isascii()


def test_a_sparkline_rises_and_falls() -> None:
    assert sparkline([0, 1, 2, 3], 4, ascii=True) == "_.-^"
    assert sparkline([3, 0], 4, ascii=True) == "^-._"
    assert sparkline([float("nan")], 4) == ""
    assert sparkline([1e308, -1e308], 2, ascii=True) == "^_"


@given(st.text(max_size=200), st.integers(1, 40))
def test_wrapped_lines_are_never_too_wide_and_lose_no_letter(text: str, width: int) -> None:
    lines = Lines(80)
    clean = lines._clean(text)
    wrapped = list(wrap_words(clean, max(2, width)))
    assert all(cell_len(line) <= max(2, width) for line in wrapped)
    assert "".join("".join(wrapped).split()) == "".join(clean.split())


@given(st.lists(st.text(max_size=30), max_size=4), st.integers(1, 40), st.booleans())
def test_a_line_is_cut_to_its_width(pieces: list[str], width: int, is_ascii: bool) -> None:
    lines = Lines(width, is_ascii)
    lines.add(*pieces)
    text = "".join(text for text, _ in lines.lines[0])
    assert cell_len(text) <= width
    assert not is_ascii or text.isascii()


def test_the_least_important_part_of_the_header_goes_first() -> None:
    parts = [HeaderPart("study", rank=0), HeaderPart("gpu" * 5, rank=4), HeaderPart("best", rank=2)]
    assert [part.text for part in fit(parts, 80)] == ["study", "gpu" * 5, "best"]
    assert [part.text for part in fit(parts, 12)] == ["study", "best"]
    assert [part.text for part in fit(parts, 1)] == ["study"]


def test_help_and_quit_stay_in_the_narrowest_key_bar() -> None:
    hints = [
        KeyHint("stop", "s", "stop", rank=1),
        KeyHint("help", "?", "keys", rank=6),
        KeyHint("quit", "q", "quit", rank=8),
    ]
    assert [hint.action for hint in key_bar.fit(hints, 80)] == ["stop", "help", "quit"]
    assert [hint.action for hint in key_bar.fit(hints, 15)] == ["help", "quit"]
    assert [hint.action for hint in key_bar.fit(hints, 3)] == ["help", "quit"]


@pytest.mark.parametrize(
    ("live", "done"),
    [
        (None, 4.0),
        (LiveAttempt(0, 1, epoch=4), 4.0),
        (LiveAttempt(0, 1, epoch=4, step=5, of=10), 3.5),
        (LiveAttempt(0, 1, epoch=4, step=5), 3.0),
        (LiveAttempt(0, 1, epoch=4, step=50, of=10), 4.0),
    ],
)
def test_epochs_that_are_done(live: LiveAttempt | None, done: float) -> None:
    assert epochs_done(live, 4) == done


def test_bars_of_running_trials() -> None:
    assert epoch_bar(None, None, None, 4, True) == "starting ----"
    assert epoch_bar(LiveAttempt(0, 1, epoch=6, epochs=10, step=0, of=4), None, None, 10, True).startswith(
        "epoch 6/10 #####."
    )
    assert step_text(LiveAttempt(0, 1, step=1, of=4, rate=1.5)) == "step 1/4 1.5/s"
    assert step_text(LiveAttempt(0, 1)) == ""


async def test_a_click_on_a_key_and_on_a_tab_does_what_they_say(tmp_path: Path) -> None:
    from tests.fakes.studies import build_study

    build_study(tmp_path / "runs", "s", trials=5, running=1)
    async with open_panel(tmp_path, "s") as driver:
        bar = driver.app.screen.query_one("KeyBar")
        line = driver.text().splitlines()[-1]
        await driver.pilot.click(bar, offset=(line.index("? keys"), 0))
        assert driver.place == "HelpScreen"
        await driver.press("escape")
        await driver.press("enter")
        tabs = driver.app.screen.query_one("TabBar")
        line = driver.text().splitlines()[2]
        await driver.pilot.click(tabs, offset=(line.index("Config") + 2, 0))
        await driver.see("[Config]")
