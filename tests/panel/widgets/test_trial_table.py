from __future__ import annotations

from collections.abc import Sequence

import pytest
from rich.cells import cell_len
from rich.text import Text
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from htr_tui.panel.widgets.trial_table import Cell, CellValue, Column, VirtualTable
from tests.panel.widgets.screen_text import shown_lines, shown_text

COLUMNS = [
    Column("trial", "#", 6, "right"),
    Column("state", "state", 10),
    Column("value", "value", 8, "right"),
    Column("finding", "finding", 12, stretch=True),
]


class Rows:
    """A source that counts what it is asked for."""

    def __init__(self, keys: Sequence[int]) -> None:
        self.keys = list(keys)
        self.states: dict[int, str] = {}
        self.asked = 0

    def __len__(self) -> int:
        return len(self.keys)

    def key(self, i: int) -> int:
        return self.keys[i]

    def cells(self, i: int) -> Sequence[CellValue]:
        self.asked += 1
        key = self.keys[i]
        state = self.states.get(key, "complete")
        return [str(key), Cell(state, "bad" if state == "failed" else ""), f"{key / 7:.2f}", Text("none")]


class TableApp(App[None]):
    def __init__(self, table: VirtualTable) -> None:
        super().__init__()
        self.table = table
        self.told: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.table.focus()

    def on_virtual_table_row_highlighted(self, message: VirtualTable.RowHighlighted) -> None:
        self.told.append(message)

    def on_virtual_table_row_selected(self, message: VirtualTable.RowSelected) -> None:
        self.told.append(message)

    def on_virtual_table_column_selected(self, message: VirtualTable.ColumnSelected) -> None:
        self.told.append(message)

    @property
    def selected(self) -> list[int | str]:
        return [message.key for message in self.told if isinstance(message, VirtualTable.RowSelected)]

    @property
    def highlighted(self) -> list[int | str | None]:
        return [message.key for message in self.told if isinstance(message, VirtualTable.RowHighlighted)]


@pytest.fixture
def table() -> VirtualTable:
    return VirtualTable(COLUMNS, ascii=False)


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (10, 3)])
async def test_only_what_is_on_screen_is_asked_for(table: VirtualTable, size: tuple[int, int]) -> None:
    rows = Rows(range(50_000))
    async with TableApp(table).run_test(size=size) as pilot:
        table.set_rows(rows)
        await pilot.pause()
        assert 0 < rows.asked <= size[1]
        await pilot.press("G")
        await pilot.pause()
        assert table.cursor_key == 49_999
        assert rows.asked <= 3 * size[1]
        asked = rows.asked
        table.refresh_rows()
        await pilot.pause()
        assert rows.asked - asked <= size[1]


async def test_the_titles_stay_and_rows_scroll(table: VirtualTable) -> None:
    async with TableApp(table).run_test(size=(80, 24)) as pilot:
        table.set_rows(Rows(range(1000)))
        await pilot.pause()
        lines = shown_lines(table)
        assert lines[0].split() == ["#", "state", "value", "finding"]
        assert lines[1].split() == ["▸", "0", "complete", "0.00", "none"]
        assert lines[23].split()[0] == "22"
        await pilot.press("end")
        await pilot.pause()
        lines = shown_lines(table)
        assert lines[0].split() == ["#", "state", "value", "finding"]
        assert lines[23].split()[:2] == ["▸", "999"]
        await pilot.press("g")
        await pilot.pause()
        assert shown_lines(table)[1].split()[:2] == ["▸", "0"]


async def test_only_lines_that_changed_are_repainted(table: VirtualTable, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(range(1000))
    drawn: list[int] = []
    async with TableApp(table).run_test(size=(80, 24)) as pilot:
        table.set_rows(rows)
        await pilot.pause()
        refreshed: list[Region] = []
        original = VirtualTable.refresh

        def refresh(self: VirtualTable, *regions: Region, **options: bool) -> VirtualTable:
            refreshed.extend(regions or (Region(0, 0, 80, 24),))
            return original(self, *regions, **options)

        render_line = VirtualTable.render_line
        monkeypatch.setattr(VirtualTable, "refresh", refresh)

        def spy(self: VirtualTable, y: int) -> Strip:
            drawn.append(y)
            return render_line(self, y)

        monkeypatch.setattr(VirtualTable, "render_line", spy)
        table.refresh_rows()
        assert refreshed == []
        rows.states[5] = "failed"
        table.refresh_rows()
        assert refreshed == [Region(0, 6, 80, 1)]
        await pilot.pause()
        assert set(drawn) <= {6}
        assert "failed" in shown_lines(table)[6]
        refreshed.clear()
        table.marked.add(7)
        table.refresh_rows()
        assert refreshed == [Region(0, 8, 80, 1)]
        refreshed.clear()
        drawn.clear()
        await pilot.press("down")
        await pilot.pause()
        assert {region.y for region in refreshed} == {1, 2}


async def test_the_cursor_stays_on_its_key(table: VirtualTable) -> None:
    app = TableApp(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(Rows(range(100)))
        await pilot.pause()
        table.move_cursor(40)
        await pilot.pause()
        place = next(y for y, line in enumerate(shown_lines(table)) if "▸" in line)
        table.set_rows(Rows([*range(1000, 1010), *range(100)]))
        await pilot.pause()
        assert (table.cursor_key, table.cursor_row) == (40, 50)
        assert next(y for y, line in enumerate(shown_lines(table)) if "▸" in line) == place
        table.set_rows(Rows(range(99, -1, -1)))
        await pilot.pause()
        assert (table.cursor_key, table.cursor_row) == (40, 59)
        table.set_rows(Rows(range(40, 45)))
        await pilot.pause()
        assert (table.cursor_key, table.cursor_row) == (40, 0)
        assert any("▸" in line for line in shown_lines(table))
        assert app.highlighted == [0, 40]


async def test_a_row_that_goes_gives_the_cursor_to_its_neighbour(table: VirtualTable) -> None:
    app = TableApp(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(Rows(range(10)))
        table.move_to_key(9)
        await pilot.pause()
        table.set_rows(Rows(range(9)))
        await pilot.pause()
        assert table.cursor_key == 8
        table.set_rows(Rows([]))
        await pilot.pause()
        assert table.cursor_key is None
        assert app.highlighted == [9, 8, None]
        assert not table.move_to_key(3)


async def test_rows_added_below_leave_the_view_alone(table: VirtualTable) -> None:
    rows = Rows(range(100))
    async with TableApp(table).run_test(size=(80, 24)) as pilot:
        table.set_rows(rows)
        await pilot.pause()
        table.move_cursor(50)
        await pilot.pause()
        before = shown_lines(table)
        rows.keys.extend(range(100, 300))
        table.refresh_rows()
        await pilot.pause()
        assert shown_lines(table) == before


async def test_keys_and_messages(table: VirtualTable) -> None:
    app = TableApp(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(Rows(range(100)))
        await pilot.pause()
        await pilot.press("j", "j", "k", "enter")
        assert table.cursor_key == 1
        assert app.selected == [1]
        await pilot.press("pagedown")
        assert table.cursor_row == 23
        await pilot.press("pageup", "pageup")
        assert table.cursor_row == 0
        await pilot.press("up")
        assert table.cursor_row == 0


async def test_the_mouse_moves_chooses_and_sorts(table: VirtualTable) -> None:
    app = TableApp(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(Rows(range(100)))
        await pilot.pause()
        await pilot.click(table, offset=(5, 4))
        assert table.cursor_key == 3
        await pilot.double_click(table, offset=(5, 6))
        assert app.selected == [5]
        await pilot.click(table, offset=(22, 0))
        assert [message.key for message in app.told if isinstance(message, VirtualTable.ColumnSelected)] == ["value"]
        table.set_sort("value", reverse=True)
        assert "value▼" in shown_lines(table)[0]
        table.set_sort("value")
        assert "value▲" in shown_lines(table)[0]


async def test_the_fixed_column_stays_when_scrolled_sideways(table: VirtualTable) -> None:
    table.set_columns([*COLUMNS, *(Column(f"p{i}", f"param{i}", 20) for i in range(10))])
    app = TableApp(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(Rows(range(100)))
        await pilot.pause()
        table.scroll_to(x=30, animate=False)
        await pilot.pause()
        lines = shown_lines(table)
        assert lines[0].split()[0] == "#"
        assert "state" not in lines[0]
        assert "param0" in lines[0]
        assert all(cell_len(line) <= 80 for line in lines)
        await pilot.click(table, offset=(31, 0))
        assert [message.key for message in app.told if isinstance(message, VirtualTable.ColumnSelected)] == ["p0"]


async def test_marks_are_seen_without_colour(table: VirtualTable) -> None:
    async with TableApp(table).run_test(size=(80, 24)) as pilot:
        table.set_rows(Rows(range(10)))
        await pilot.pause()
        table.toggle_mark()
        table.toggle_mark(4)
        await pilot.pause()
        lines = shown_lines(table)
        assert lines[1].startswith("▸◆")
        assert lines[5].startswith(" ◆")
        table.toggle_mark(4)
        assert "◆" not in shown_lines(table)[5]
        assert table.marked == {0}


async def test_without_rows_it_says_so() -> None:
    table = VirtualTable(COLUMNS, empty_text="No trials yet: l launches the study", ascii=False)
    async with TableApp(table).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "No trials yet: l launches" in shown_text(table)
        table.set_empty_text("Nothing matches [/x]")
        assert "Nothing matches [/x]" in shown_text(table)
        await pilot.press("enter", "down", "G", "pagedown")
        table.set_rows(Rows([1]))
        await pilot.pause()
        assert "Nothing matches" not in shown_text(table)


class Hostile:
    """Cells as an enemy would write them; a row is lost between two questions."""

    def __len__(self) -> int:
        return 4

    def key(self, i: int) -> int:
        return i

    def cells(self, i: int) -> Sequence[CellValue]:
        if i == 3:
            raise IndexError(i)
        rows: list[list[CellValue]] = [
            ["[/red]", "\x1b[2J\x1b]0;t\x07hidden", "a\nb\tc", "日本語" * 9],
            [Text("[b]\x1b[31mred"), Text("日本語の長い文章", style="bold nosuchcolour"), Cell("x" * 500, "warn")],
            [],
        ]
        return rows[i]


async def test_text_from_outside_is_data(table: VirtualTable) -> None:
    async with TableApp(table).run_test(size=(60, 10)) as pilot:
        table.set_rows(Hostile())
        await pilot.pause()
        text = shown_text(table)
        assert "[/red]" in text
        assert "hidden" in text
        assert "\x1b" not in text
        assert all(cell_len(line) <= 60 for line in shown_lines(table))
        assert "…" in text


async def test_ascii_terminals_get_ascii() -> None:
    table = VirtualTable(COLUMNS, ascii=True)
    async with TableApp(table).run_test(size=(60, 10)) as pilot:
        table.set_rows(Hostile())
        table.toggle_mark(0)
        table.set_sort("state")
        await pilot.pause()
        assert shown_text(table).isascii()
        assert shown_lines(table)[1].startswith(">@")


async def test_a_source_may_find_keys_itself(table: VirtualTable) -> None:
    class Indexed(Rows):
        def index_of(self, key: int | str) -> int | None:
            return self.keys.index(int(key)) if key in self.keys else None

    async with TableApp(table).run_test(size=(60, 10)) as pilot:
        table.set_rows(Indexed(range(10)))
        await pilot.pause()
        assert table.move_to_key(7)
        assert table.cursor_row == 7
        assert not table.move_to_key(70)
