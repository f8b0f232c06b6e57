"""The panel with our own command line, on a study that really runs: names and answers fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from htr_tui.panel.commands import OurCommandLine
from htr_tui.panel.screens.diagnosis import DiagnosisDialog
from htr_tui.panel.screens.dialogs import ChoiceDialog
from htr_tui.panel.screens.form_dialog import FormDialog
from htr_tui.panel.widgets.trial_table import VirtualTable
from tests.fakes.launching import FakeStudy, fake_study
from tests.panel.driving import Driver, open_panel

DEADLINE_S = 90.0


@pytest.fixture
def study(tmp_path: Path) -> Iterator[FakeStudy]:
    made = fake_study(tmp_path, "--epochs", "2", gate=1, budget={"trials": 3})
    made.cli("run", str(made.file))
    yield made
    for name in ("fake", "fake-promoted-0"):
        made.cli("stop", name, "--now", expect=None)


async def until(driver: Driver, condition: Callable[[], Any], what: str) -> None:
    await driver.wait(condition, what, DEADLINE_S)


async def test_a_study_is_paused_continued_fed_by_hand_promoted_and_imported(study: FakeStudy) -> None:
    async with open_panel(study.base, "fake", commands=OurCommandLine(study.base)) as driver:
        store = driver.app.store

        def view(name: str = "fake") -> Any:
            return store.study(name)

        await until(driver, lambda: view() and view().running, "a running trial")

        await driver.press("P")
        await until(driver, lambda: isinstance(driver.app.screen, ChoiceDialog), "the question")
        await driver.press("down", "enter")
        await until(driver, lambda: view().state == "paused", "the pause")
        await until(driver, lambda: "P continue" in driver.text(), "the key that continues")
        await driver.press("P")
        await until(driver, lambda: view().state == "running", "the study going on")

        await driver.press("e")
        await until(driver, lambda: isinstance(driver.app.screen, FormDialog), "the form")
        await driver.see("0.001 to 0.1, log", "4 to 16, whole")
        await driver.press(*"7", "enter")
        await until(driver, lambda: "lr cannot be" in driver.text(), "what is wrong")
        await driver.press("backspace", *"0.05", "down", "delete", "end", *["backspace"] * 4, "enter")
        await until(driver, lambda: store.trial("fake", 1), "the trial by hand")
        trial = store.trial("fake", 1)
        assert trial is not None
        assert (trial.by, trial.params["lr"]) == ("hand", 0.05)
        assert 4 <= trial.params["width"] <= 16

        await until(driver, lambda: driver.place == "TrialsScreen", "the table")
        assert driver.app.screen.query_one(VirtualTable).move_to_key(0)
        await driver.press("p")
        await until(driver, lambda: isinstance(driver.app.screen, FormDialog), "the form")
        await driver.press(*"train.epochs=5", "enter")
        await until(driver, lambda: view("fake-promoted-0"), "the promoted study")
        await until(driver, lambda: view("fake-promoted-0").facts.promoted_from, "its origin")

        await until(driver, lambda: driver.place == "TrialsScreen", "the table")
        await driver.press("1")
        await driver.press("i")
        await until(driver, lambda: isinstance(driver.app.screen, FormDialog), "the form")
        await driver.press(*str(study.base / "runs" / "optuna.db"), "tab", *"fake", "enter")
        await until(driver, lambda: isinstance(driver.app.screen, DiagnosisDialog), "the diagnosis")
        await until(driver, lambda: [v for v in store.studies() if v.facts.imported is not None], "the import")
