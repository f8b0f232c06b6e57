from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from htr_tui.panel.commands import CommandResult
from htr_tui.panel.frame.banner import Banner
from htr_tui.panel.screens.base import PanelScreen
from htr_tui.panel.screens.dialogs import ChoiceDialog, LaunchDialog
from tests.fakes.studies import build_study
from tests.panel.driving import SIZES, Driver, FakeCommands, open_panel
from tests.panel.studies import PAUSED_MESSAGE, build_paused, build_waiting, tell


def banner(driver: Driver) -> str:
    screen = driver.app.screen
    assert isinstance(screen, PanelScreen)
    found = screen.query_one(Banner)
    return found.message if found.display else ""


@pytest.mark.parametrize("size", SIZES)
async def test_a_study_that_paused_by_itself_cannot_be_missed(tmp_path: Path, size: tuple[int, int]) -> None:
    build_paused(tmp_path / "runs")
    build_study(tmp_path / "runs", "newer", trials=4, running=1)
    async with open_panel(tmp_path, size=size) as driver:
        await driver.see(
            "PAUSED BY ITSELF", "the first 3 trials failed", "! paused", "! 1 paused", "P continues it, s stops it"
        )
        await driver.press("enter")
        await driver.see("PAUSED BY ITSELF", "paused by itself: P continues", "P continue", "gpu_oom")
        assert PAUSED_MESSAGE in banner(driver)
        await driver.press("enter")
        await driver.see("PAUSED BY ITSELF", "[Metrics]")


async def test_the_banner_goes_when_the_study_goes_on(tmp_path: Path) -> None:
    paths = build_paused(tmp_path / "runs")
    async with open_panel(tmp_path, "paused") as driver:
        await driver.see("PAUSED BY ITSELF")
        tell(paths, "study_continued")
        driver.app.files_feed.look_now()
        await driver.wait(lambda: not banner(driver))
        await driver.see("● supervised", "P pause")


async def test_the_banner_of_another_study_says_where_to_go(tmp_path: Path) -> None:
    build_paused(tmp_path / "runs")
    build_study(tmp_path / "runs", "other", trials=4, running=1)
    async with open_panel(tmp_path) as driver:
        await driver.see("started. D diagnoses it")
        await driver.press("down")
        await driver.see("On its row: D diagnosis, P continue, s stop.")
        await driver.press("enter")
        await driver.wait(lambda: driver.app.panel.study == "other")
        assert banner(driver) == ""


async def test_a_pause_on_purpose_is_told_without_noise(tmp_path: Path) -> None:
    build_paused(tmp_path / "runs", by="user", message="paused by the user")
    build_study(tmp_path / "runs", "other", trials=4, running=0)
    async with open_panel(tmp_path) as driver:
        await driver.see("= paused", "paused by the user 12 min ago; P continues it")
        assert banner(driver) == ""


async def test_pause_asks_first_and_no_is_the_default(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "busy", trials=4, running=1)
    commands = FakeCommands(CommandResult((), 0, json.dumps({"message": "paused; running trials go on"})))
    async with open_panel(tmp_path, "busy", commands=commands) as driver:
        for keys in (["enter"], ["down", "enter"]):
            assert commands.asked == []
            await driver.press("P")
            await driver.wait(lambda: isinstance(driver.app.screen, ChoiceDialog))
            await driver.see("Pause busy?", "Running trials go on")
            await driver.press(*keys)
            await driver.wait(lambda: driver.place == "TrialsScreen")
        await driver.wait(lambda: commands.asked == [["pause", "busy"]])
        await driver.see("paused; running trials go on")


async def test_the_same_key_continues_a_paused_study(tmp_path: Path) -> None:
    build_paused(tmp_path / "runs")
    commands = FakeCommands()
    async with open_panel(tmp_path, "paused", commands=commands) as driver:
        await driver.press("P")
        await driver.wait(lambda: commands.asked == [["continue", "paused"]])
        titles = [command.title for command in driver.app.get_system_commands(driver.app.screen)]
        assert "continue (P)" in titles


async def test_launch_continues_a_paused_study(tmp_path: Path) -> None:
    build_paused(tmp_path / "runs")
    commands = FakeCommands()
    async with open_panel(tmp_path, "paused", commands=commands) as driver:
        await driver.press("l")
        await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        await driver.see("continue paused", "paused by itself 12 min ago")
        await driver.press("enter")
        await driver.wait(lambda: commands.asked == [["continue", "paused"]])


async def test_only_a_running_study_pauses(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "over", trials=4, running=0)
    commands = FakeCommands()
    async with open_panel(tmp_path, "over", commands=commands) as driver:
        await driver.press("P")
        await driver.see("only a running study pauses")
        assert commands.asked == []


async def test_a_paused_study_whose_supervisor_died_still_says_why(tmp_path: Path) -> None:
    paths = build_paused(tmp_path / "runs")
    tell(paths, "supervisor_ended", reason="stopped")
    async with open_panel(tmp_path, "paused") as driver:
        await driver.see("PAUSED BY ITSELF", "l goes on with it", "■ stopped")


@pytest.mark.parametrize("size", SIZES)
async def test_what_a_study_waits_for_is_said(tmp_path: Path, size: tuple[int, int]) -> None:
    build_waiting(tmp_path / "runs")
    build_study(tmp_path / "runs", "other", trials=4, running=0)
    async with open_panel(tmp_path, size=size) as driver:
        await driver.see("= waiting", "waits: memory: trial 3 needs")
        await driver.press("enter")
        await driver.wait(lambda: driver.place == "TrialsScreen")
        await driver.see("= waiting")
        if size[0] >= 110:
            await driver.see("waits: memory: trial 3 needs")
        await driver.press("6")
        await driver.see("waiting: memory: trial 3 needs about 12.0 GB, gpu0 has 4.5 GB free", "1 study waits")


async def test_waiting_ends_in_the_header_too(tmp_path: Path) -> None:
    paths = build_waiting(tmp_path / "runs")
    async with open_panel(tmp_path, "waiting", size=(160, 40)) as driver:
        await driver.see("waits: memory")
        tell(paths, "study_waiting", reason=None)
        driver.app.files_feed.look_now()
        await driver.wait(lambda: "waits: memory" not in driver.text())


async def test_messages_of_a_pause_are_only_text(tmp_path: Path) -> None:
    build_paused(tmp_path / "runs", message="[/foo] [bold]x \x1b[31mred \u202egnp " + "w" * 400)
    tell(build_waiting(tmp_path / "runs"), "study_waiting", time.time(), reason="[/bar] \x1b]0;owned\x07")
    async with open_panel(tmp_path, size=(80, 24)) as driver:
        await driver.see("[/foo] [bold]x red")
        assert "\x1b" not in driver.text()
        assert "\u202e" not in driver.text()
        await driver.press("6")
        await driver.see("waiting: [/bar]")


async def test_columns_and_banner_follow_the_size(tmp_path: Path) -> None:
    build_paused(tmp_path / "runs")
    build_study(tmp_path / "runs", "other", trials=4, running=0)
    async with open_panel(tmp_path, size=(160, 40)) as driver:
        await driver.see("last event", "about")
        await driver.pilot.resize_terminal(80, 24)
        await driver.wait(lambda: "about" not in driver.text())
        await driver.see("best", "PAUSED BY ITSELF", "P continues it, s stops it")
