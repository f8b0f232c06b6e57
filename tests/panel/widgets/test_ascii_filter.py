from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.color import Color
from textual.filter import LineFilter
from textual.widgets import Static

from htr_tui.panel.widgets.ascii_filter import AsciiFilter
from tests.panel.widgets.screen_text import shown_lines


@given(st.text(max_size=30))
def test_the_width_stays(text: str) -> None:
    (segment,) = AsciiFilter().apply([Segment(text)], Color.parse("black"))
    assert segment.text.isascii()
    assert segment.cell_length == Segment(text).cell_length or not text.isprintable()


def test_wide_and_joined_characters() -> None:
    segments = AsciiFilter().apply([Segment("日本"), Segment("abc"), Segment("╭─╮")], Color.parse("black"))
    assert [segment.text for segment in segments] == ["? ? ", "abc", "+-+"]


class AsciiApp(App[None]):
    CSS = "Static { border: round red; }"

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), AsciiFilter()]

    def compose(self) -> ComposeResult:
        yield Static("→ ok", markup=False)


async def test_an_app_draws_ascii_only() -> None:
    async with AsciiApp().run_test(size=(30, 5)) as pilot:
        await pilot.pause()
        lines = shown_lines(pilot.app.query_one(Static))
        assert lines == [
            "+----------------------------+",
            "|> ok                        |",
            "+----------------------------+",
        ]
