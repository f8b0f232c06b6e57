from __future__ import annotations

import json
from pathlib import Path

import pytest

from htr_tui.panel.commands import CommandResult
from htr_tui.panel.screens.dialogs import LaunchDialog
from htr_tui.panel.screens.preview import PreviewDialog
from tests.fakes.studies import build_study
from tests.panel.driving import SIZES, FakeCommands, open_panel

PREVIEW = {
    "label": "the first trial [/x]",
    "params": {"lr": 0.01},
    "argv": ["python", "train.py", "--out", "/tmp/a folder", "--lr=0.01"],
    "env": {"LR": "0.01", "MLFLOW_TRACKING_TOKEN": "hunter2"},
    "cwd": "/srv/here",
    "config": {"path": "/tmp/config.yaml", "text": "train:\n  lr: 0.01\n"},
}


@pytest.mark.parametrize("size", SIZES)
async def test_the_command_of_a_study_file_is_shown_before_it_is_launched(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    build_study(tmp_path / "runs", "mine", trials=4, running=0, stopped=1)
    folder = tmp_path / "configs" / "studies"
    folder.mkdir(parents=True)
    (folder / "fresh.yaml").write_text("study: fresh\n")
    answer = {"ok": True, "errors": [], "warnings": [{"message": "no pruner"}], "preview": [PREVIEW]}
    commands = FakeCommands(CommandResult((), 0, json.dumps(answer)))
    async with open_panel(tmp_path, "mine", size=size, commands=commands) as driver:
        await driver.press("l")
        await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        await driver.see("c show its command")
        for keys, path in (("c", tmp_path / "runs" / "mine" / "study.yaml"), ("jc", folder / "fresh.yaml")):
            await driver.press(*keys)
            await driver.wait(lambda: isinstance(driver.app.screen, PreviewDialog))
            assert commands.asked.pop() == ["check", str(path), "--show-command"]
            await driver.see("the first trial [/x]", "python train.py --out '/tmp/a folder' --lr=0.01", "LR=0.01")
            assert "hunter2" not in driver.text()
            await driver.press("escape")
            await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        await driver.press("escape")
        assert commands.asked == []


async def test_a_study_file_with_mistakes_is_not_shown_but_explained(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "mine", trials=4, running=0, stopped=1)
    error = {"file": "study.yaml", "line": 3, "key": "search", "message": "unknown key [/b]"}
    commands = FakeCommands(CommandResult((), 2, json.dumps({"ok": False, "errors": [error], "preview": []})))
    async with open_panel(tmp_path, "mine", commands=commands) as driver:
        await driver.press("l")
        await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        await driver.press("c")
        await driver.see("study.yaml:3: search: unknown key [/b]")


async def test_a_letter_typed_into_the_path_is_a_letter(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "mine", trials=4, running=0, stopped=1)
    commands = FakeCommands()
    async with open_panel(tmp_path, "mine", commands=commands) as driver:
        await driver.press("l")
        await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        await driver.press("tab", *"c.yaml", "enter")
        await driver.wait(lambda: commands.asked == [["run", "c.yaml"]])
