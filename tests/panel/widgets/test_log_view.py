from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import ContentSwitcher, Static

from htr_tui.log_index import LogIndex
from htr_tui.panel.widgets import log_view
from htr_tui.panel.widgets.log_lines import ShownLine
from htr_tui.panel.widgets.log_view import LogView
from tests.panel.widgets.screen_text import shown_lines, shown_text
from tests.panel.widgets.waiting import wait_until


class LogApp(App[None]):
    def __init__(self, view: LogView) -> None:
        super().__init__()
        self.view = view

    def compose(self) -> ComposeResult:
        with ContentSwitcher(initial="log"):
            yield self.view
            yield Static("other", id="other")

    def on_mount(self) -> None:
        self.view.focus()


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the file often, so that no test waits long."""
    monkeypatch.setattr(log_view, "POLL_S", 0.02)
    monkeypatch.setattr(log_view, "IDLE_POLL_S", 0.05)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


def view_of(path: Path | None) -> LogView:
    return LogView(path, ascii=False, id="log")


def write_lines(path: Path, first: int, count: int) -> None:
    with path.open("ab") as file:
        file.write(b"".join(b"line %d\n" % n for n in range(first, first + count)))


def subtitle(view: LogView) -> str:
    return str(view.border_subtitle or "")


async def see(pilot: Pilot[None], view: LogView, text: str) -> None:
    await wait_until(pilot, lambda: text in shown_text(view.lines))


async def test_it_follows_the_end(path: Path) -> None:
    write_lines(path, 1, 1000)
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "1000 line 1000")
        assert "1,000 lines" in subtitle(view)
        assert "following" in subtitle(view)
        write_lines(path, 1001, 5)
        await see(pilot, view, "1005 line 1005")
        assert shown_lines(view.lines)[-1].endswith("line 1005")
        with path.open("ab") as file:
            file.write(b"half a li")
        await see(pilot, view, "half a li")
        with path.open("ab") as file:
            file.write(b"ne\n")
        await see(pilot, view, "half a line")


async def test_scrolling_up_pauses_and_end_follows_again(path: Path) -> None:
    write_lines(path, 1, 1000)
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "line 1000")
        await pilot.press("pageup", "pageup", "k")
        await pilot.pause()
        top = shown_lines(view.lines)[0]
        assert "paused, 0 new lines" in subtitle(view)
        write_lines(path, 1001, 30)
        await wait_until(pilot, lambda: "paused, 30 new lines, End to follow" in subtitle(view))
        assert shown_lines(view.lines)[0] == top
        await pilot.press("end")
        await see(pilot, view, "line 1030")
        assert "following" in subtitle(view)
        await pilot.press("up")
        await pilot.pause()
        assert "paused" in subtitle(view)
        await pilot.press("down")
        await pilot.pause()
        assert "following" in subtitle(view)


async def test_every_line_of_a_long_log_can_be_reached(path: Path) -> None:
    write_lines(path, 1, 200_000)
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "line 200000")
        await pilot.press("g")
        await see(pilot, view, "     1 line 1")
        await pilot.press("pagedown")
        await see(pilot, view, "line 40")
        view.lines.scroll_to(y=123_455, animate=False)
        await see(pilot, view, "line 123456")
        assert shown_lines(view.lines)[0].split() == ["123456", "line", "123456"]


async def test_only_some_lines_are_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(path, 1, 100_000)
    counts: list[int] = []
    read_lines = LogIndex.read_lines

    def spy(self: LogIndex, first: int, count: int) -> list[bytes]:
        counts.append(count)
        return read_lines(self, first, count)

    monkeypatch.setattr(LogIndex, "read_lines", spy)
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "line 100000")
        await pilot.press("g")
        await see(pilot, view, "     1 line 1")
    assert counts
    assert max(counts) <= 3 * 40


async def test_searching_up_and_down_and_around(path: Path) -> None:
    write_lines(path, 1, 50)
    with path.open("ab") as file:
        file.write(b"a Needle [/x]\n")
    write_lines(path, 52, 5000)
    with path.open("ab") as file:
        file.write(b"another needle\n")
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "another needle")
        await pilot.press("g")
        await see(pilot, view, "   1 line 1")
        await pilot.press("slash", *"needle", "enter")
        await wait_until(pilot, lambda: "needle in line 51" in subtitle(view))
        await see(pilot, view, " >  51 a Needle [/x]")
        await pilot.press("n")
        await wait_until(pilot, lambda: "in line 5,052" in subtitle(view))
        await pilot.press("n")
        await wait_until(pilot, lambda: "in line 51" in subtitle(view))
        await pilot.press("N")
        await wait_until(pilot, lambda: "in line 5,052" in subtitle(view))
        await see(pilot, view, "another needle")
        await pilot.press("slash", *"Needle", "enter")
        await wait_until(pilot, lambda: "Needle in line 51" in subtitle(view))
        await pilot.press("slash", *"[/x", "enter")
        await wait_until(pilot, lambda: "[/x in line 51" in subtitle(view).replace("\\", ""))
        await pilot.press("slash", *"nowhere", "enter")
        await wait_until(pilot, lambda: "no match for nowhere" in subtitle(view))
        await pilot.press("escape")
        assert "nowhere" not in subtitle(view)
        assert view.lines.has_focus


async def test_a_line_of_evidence_is_brought_to_sight(path: Path) -> None:
    write_lines(path, 1, 3000)
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        view.go_to_line(1500)
        await see(pilot, view, "line 1500")
        assert "! 1500 line 1500" in shown_text(view.lines)
        assert "paused" in subtitle(view)
        view.go_to_line(99_999)
        await pilot.pause()
        await see(pilot, view, "line 1500")
        view.set_evidence([1501, 1502])
        assert "! 1500" not in shown_text(view.lines)
        assert "! 1501" in shown_text(view.lines)


async def test_what_a_process_writes_is_harmless(path: Path) -> None:
    path.write_bytes(
        b"\x1b]0;title\x07\x1b[31mred\x1b[0m [/bold] [link=x]\n"
        b"10%\r50%\r100% done\n" + b"\xff\xfe\x00binary\n" + b"x" * 2_000_000 + b"\nafter\n"
    )
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "after")
        await see(pilot, view, "1 red")
        text = shown_text(view.lines)
        assert "\x1b" not in text
        assert "red [/bold] [link=x]" in text
        assert "100% done" in text
        assert "50%" not in text
        assert "binary" in text
        await pilot.press("right", "right")
        assert "100% done" not in shown_text(view.lines)


async def test_truncated_and_replaced_logs_are_said(path: Path) -> None:
    write_lines(path, 1, 500)
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "line 500")
        path.write_bytes(b"new start\n")
        await see(pilot, view, "1 new start")
        assert "restarted" in subtitle(view)
        other = path.with_name("other")
        other.write_bytes(b"and another\n")
        os.replace(other, path)
        await see(pilot, view, "1 and another")
        assert "restarted 2 times" in subtitle(view)
        assert "new start" not in shown_text(view.lines)


async def test_every_empty_face(path: Path, tmp_path: Path) -> None:
    view = view_of(None)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "No log to show")
        view.show_log(path)
        await see(pilot, view, "No log yet")
        path.touch()
        await see(pilot, view, "empty so far")
        write_lines(path, 1, 1)
        await see(pilot, view, "1 line 1")
        view.show_log(tmp_path)
        await see(pilot, view, "cannot be read: not a regular file")
        view.show_log(None)
        await see(pilot, view, "No log to show")


async def test_another_log_replaces_the_first(path: Path, tmp_path: Path) -> None:
    write_lines(path, 1, 500)
    other = tmp_path / "[b]other.txt"
    other.write_bytes(b"other text\n")
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "line 500")
        view.show_log(other)
        await see(pilot, view, "other text")
        assert "line 500" not in shown_text(view.lines)
        assert "[b]other.txt" in shown_lines(view)[0]
        assert view.path == other


async def test_a_hidden_log_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(path, 1, 5)
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "line 5")
        switcher = pilot.app.query_one(ContentSwitcher)
        switcher.current = "other"
        await pilot.pause()
        await wait_until(pilot, lambda: not view.is_on_screen)
        steps: list[None] = []
        step = LogIndex.step

        def spy(self: LogIndex, budget_bytes: int = 1 << 24) -> bool:
            steps.append(None)
            return step(self, budget_bytes)

        monkeypatch.setattr(LogIndex, "step", spy)
        write_lines(path, 6, 1)
        view._look()
        view._look()
        await pilot.pause()
        assert steps == []
        switcher.current = "log"
        await see(pilot, view, "line 6")


async def test_numbers_may_be_hidden_and_ascii_is_kept(path: Path) -> None:
    path.write_bytes("schöne — Zeile\n".encode())
    view = LogView(path, ascii=True, id="log")
    async with LogApp(view).run_test(size=(40, 8)) as pilot:
        await see(pilot, view, "1 sch?ne - Zeile")
        await pilot.press("number_sign")
        assert shown_lines(view.lines)[0].split()[0] == "sch?ne"
        assert shown_text(view.lines).isascii()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("ResourceExhaustedError: OOM when allocating", "error"),
        ("Traceback (most recent call last):", "error"),
        ("2026-01-01 ERROR: no", "error"),
        ("Segmentation fault (core dumped)", "error"),
        ("E0000 00:00:1 cuda_dnn.cc:1", "error"),
        ("val/mean_error 0.1, 0 errors", ""),
        ("UserWarning: careful", "warning"),
        ("W0000 00:00:1 gpu_device.cc:2", "warning"),
        ("epoch 3 loss 0.5", ""),
    ],
)
def test_lines_of_failure_are_told_from_others(line: str, kind: str) -> None:
    assert ShownLine.of(line.encode(), ascii=False).kind == kind


async def test_a_failure_in_the_thread_is_said_and_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(path, 1, 3)
    step = LogIndex.step

    def fail(self: LogIndex, budget_bytes: int = 1 << 24) -> bool:
        raise RuntimeError("[/b] broken")

    monkeypatch.setattr(LogIndex, "step", fail)
    view = view_of(path)
    async with LogApp(view).run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "broken" in subtitle(view))
        monkeypatch.setattr(LogIndex, "step", step)
        await see(pilot, view, "line 3")
        assert "broken" not in subtitle(view)
