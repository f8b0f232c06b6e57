from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from htr_tui.panel.widgets.key_values import KeyValueRow, KeyValues, column_widths, compare_rows
from tests.panel.widgets.screen_text import shown_lines, shown_text


class ValuesApp(App[None]):
    def __init__(self, values: KeyValues) -> None:
        super().__init__()
        self.values = values

    def compose(self) -> ComposeResult:
        yield self.values


def test_differences_are_found() -> None:
    rows = compare_rows(["a", "b", "c"], {"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"})
    assert [(row.name, row.values, row.is_different) for row in rows] == [
        ("a", ("1", "1"), False),
        ("b", ("2", "3"), True),
        ("c", (None, "4"), True),
    ]


async def test_rows_are_aligned_and_differences_marked() -> None:
    values = KeyValues(ascii=False)
    async with ValuesApp(values).run_test(size=(80, 24)) as pilot:
        rows = compare_rows(
            ["loss.pixel", "x"], {"loss.pixel": "131.0", "x": "[/b]"}, {"loss.pixel": "143.9", "x": "[/b]"}
        )
        values.set_values(rows, ["name", "this", "best #17"])
        await pilot.pause()
        assert shown_lines(values) == [
            "  name        this   best #17",
            "≠ loss.pixel  131.0  143.9",
            "  x           [/b]   [/b]",
        ]
        values.set_values([])
        await pilot.pause()
        assert shown_lines(values) == ["Nothing to show."]


async def test_text_from_outside_is_data() -> None:
    values = KeyValues(ascii=True)
    async with ValuesApp(values).run_test(size=(30, 24)) as pilot:
        values.set_values([KeyValueRow("n\x1b[2J\nä" * 20, ("v" * 300, None), True, "a note [red]")])
        await pilot.pause()
        text = shown_text(values)
        assert text.isascii()
        assert "\x1b" not in text
        assert text.startswith("! ")
        assert all(len(line) <= 30 for line in shown_lines(values))


@given(
    st.lists(st.builds(KeyValueRow, st.text(max_size=60), st.tuples(st.text(max_size=60), st.none()), st.booleans())),
    st.integers(0, 120),
)
def test_columns_fit_where_they_can(rows: list[KeyValueRow], width: int) -> None:
    widths = column_widths(rows, ["name", "this", "best"], width)
    assert len(widths) == 3
    assert all(one >= 1 for one in widths)
    assert sum(widths) + 2 * 2 + 2 <= max(width, 9)
