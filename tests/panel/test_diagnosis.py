from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from htr_tui.diagnosis.diagnosis import Diagnosis
from htr_tui.panel.commands import CommandResult
from htr_tui.panel.frame.lines import Lines
from htr_tui.panel.screens.diagnosis import DiagnosisDialog, describe_diagnosis, import_arguments
from htr_tui.panel.screens.form_dialog import FormDialog
from tests.fakes.studies import build_study
from tests.panel.driving import SIZES, FakeCommands, open_panel
from tests.panel.studies import build_imported, build_paused

NOTHING = {"url": "", "study": "", "metric": "", "direction": ""}


@pytest.mark.parametrize("size", SIZES)
async def test_a_study_is_diagnosed_in_words(tmp_path: Path, size: tuple[int, int]) -> None:
    build_paused(tmp_path / "runs")
    async with open_panel(tmp_path, "paused", size=size) as driver:
        await driver.press("D")
        await driver.wait(lambda: isinstance(driver.app.screen, DiagnosisDialog))
        await driver.see("Diagnosis of paused", "ERROR", "gpu_oom", "What to do")
        await driver.press("D")
        assert driver.place == "TrialsScreen"


async def test_any_study_is_diagnosed_from_the_list(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "healthy", trials=3, running=0, failed=0, pruned=0)
    build_study(tmp_path / "runs", "empty", trials=0, running=0)
    async with open_panel(tmp_path) as driver:
        for _ in range(2):
            name = driver.app.screen.current_study()  # type: ignore[attr-defined]
            await driver.press("D")
            await driver.see(f"Diagnosis of {name}", "enter close")
            await driver.wait(lambda: "reading the journal" not in driver.text())
            if name == "empty":
                assert "No trials yet." in driver.text()
            await driver.press("escape", "down")


def test_words_of_a_finding_are_only_text() -> None:
    evil = "[/foo] \x1b[31mred \u202e" + "w" * 500
    lines = Lines(60)
    describe_diagnosis(lines, 3, [Diagnosis("zombies", "error", evil, evil, (1, 2), evil)])
    text = "\n".join("".join(piece for piece, _ in line) for line in lines.lines)
    assert "!! ERROR" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert max(map(len, text.splitlines())) <= 60


@pytest.mark.parametrize("size", SIZES)
async def test_an_import_ends_with_the_diagnosis(tmp_path: Path, size: tuple[int, int]) -> None:
    runs = tmp_path / "runs"
    build_study(runs, "own", trials=3, running=0)
    build_study(runs, "other", trials=3, running=0)
    answer = {"studies": [{"study": "old-study", "warnings": ["2 trials [/b] lost"]}]}
    commands = FakeCommands(CommandResult((), 0, json.dumps(answer)))
    async with open_panel(tmp_path, size=size, commands=commands) as driver:
        await driver.press("i")
        await driver.wait(lambda: isinstance(driver.app.screen, FormDialog))
        await driver.see("Import a study", "only read")
        build_imported(runs)
        await driver.press(*"sqlite:///old.db", "tab", *"no-name", "enter")
        await driver.wait(lambda: isinstance(driver.app.screen, DiagnosisDialog))
        assert commands.asked == [["import", "sqlite:///old.db", "--study=no-name"]]
        await driver.see("Diagnosis of old-study", "2 trials [/b] lost")
        await driver.press("escape")
        await driver.see("imported")


async def test_an_import_that_fails_keeps_what_was_typed(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "own", trials=3, running=0)
    build_study(tmp_path / "runs", "other", trials=3, running=0)
    error = {"error": {"title": "old.db is no Optuna storage", "message": "", "hint": "give its SQLite file"}}
    commands = FakeCommands(CommandResult((), 2, json.dumps(error)))
    async with open_panel(tmp_path, commands=commands) as driver:
        await driver.press("i")
        await driver.wait(lambda: isinstance(driver.app.screen, FormDialog))
        await driver.press(*"old.db", "enter")
        await driver.see("old.db is no Optuna storage", "hint: give its SQLite file")
        assert isinstance(driver.app.screen, FormDialog)
        assert driver.app.screen.typed["url"] == "old.db"
        await driver.press("escape")
        assert driver.place == "StudiesScreen"


async def test_several_studies_are_diagnosed_together(tmp_path: Path) -> None:
    for name in ("first", "second"):
        build_imported(tmp_path / "runs", name)
    commands = FakeCommands(CommandResult((), 0, json.dumps({"studies": [{"study": "first"}, {"study": "second"}, 7]})))
    async with open_panel(tmp_path, commands=commands) as driver:
        await driver.press("i")
        await driver.wait(lambda: isinstance(driver.app.screen, FormDialog))
        await driver.press("x", "enter")
        await driver.see("Diagnosis of 2 studies", "first", "second")


@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ({"url": " old.db "}, ["import", "old.db"]),
        (
            {"url": "mlruns", "study": "-x", "metric": "val/psnr"},
            ["import", "mlruns", "--study=-x", "--metric=val/psnr"],
        ),
        ({"url": "mlruns", "direction": "minimize"}, ["import", "mlruns", "--minimize"]),
    ],
)
def test_what_was_typed_as_arguments(typed: Mapping[str, str], arguments: list[str]) -> None:
    assert import_arguments({**NOTHING, **typed}) == arguments


@pytest.mark.parametrize("typed", [{}, {"url": "--list"}, {"url": "a", "direction": "up"}])
def test_what_cannot_be_imported_is_said_at_once(typed: Mapping[str, str]) -> None:
    with pytest.raises(ValueError):
        import_arguments({**NOTHING, **typed})
