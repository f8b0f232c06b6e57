from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from htr_tui.journal.records import StudyFacts, TrialRecord
from htr_tui.panel.commands import CommandResult
from htr_tui.panel.screens.form_dialog import FormDialog
from htr_tui.panel.screens.new_trials import LABEL, MORE, describe_range, fixed_values, trial_fields
from htr_tui.panel.widgets.trial_table import VirtualTable
from tests.fakes.studies import build_study
from tests.panel.driving import SIZES, Driver, FakeCommands, open_panel
from tests.panel.studies import SPACE, build_front, build_imported, build_promoted, change_facts

REFUSED = CommandResult((), 2, json.dumps({"error": {"title": "loss.adv: 9 is above 5 [/b]", "hint": "at most 5"}}))


async def open_form(driver: Driver, key: str, trial: int) -> FormDialog:
    assert driver.app.screen.query_one(VirtualTable).move_to_key(trial)
    await driver.pilot.pause()
    await driver.press(key)
    await driver.wait(lambda: isinstance(driver.app.screen, FormDialog))
    screen = driver.app.screen
    assert isinstance(screen, FormDialog)
    return screen


def set_pairs(arguments: Sequence[str]) -> list[str]:
    return [arguments[i + 1] for i, word in enumerate(arguments) if word == "--set"]


# -- enqueue -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_the_form_has_every_parameter_with_its_range(tmp_path: Path, size: tuple[int, int]) -> None:
    build_front(tmp_path / "runs")
    async with open_panel(tmp_path, "front", size=size) as driver:
        form = await open_form(driver, "e", 0)
        await driver.see(
            "A trial of front by hand", "copy of trial 0", "10 to 100, log", "adam | muon", "fixed: seed=7"
        )
        await driver.see("when optimizer=muon")
        assert form.typed == {
            "loss.pixel": "20.0", "loss.rec_feat": "", "loss.adv": "", "optimizer": "adam", "depth": "", LABEL: "",
        }  # fmt: skip


async def test_a_trial_typed_by_hand_is_queued(tmp_path: Path) -> None:
    build_front(tmp_path / "runs")
    commands = FakeCommands(CommandResult((), 0, json.dumps({"trial": 6})))
    async with open_panel(tmp_path, "front", commands=commands) as driver:
        await open_form(driver, "e", 0)
        await driver.press("end", "backspace", "backspace", "backspace", *"5.5", "down", *"1e1", "enter")
        await driver.see("trial 6 of front is queued")
        assert commands.asked[0][:2] == ["enqueue", "front"]
        assert set_pairs(commands.asked[0]) == ["loss.pixel=25.5", "loss.rec_feat=1e1", "optimizer=adam"]
        assert driver.place == "TrialsScreen"


async def test_a_label_that_looks_like_an_option_is_a_label(tmp_path: Path) -> None:
    build_front(tmp_path / "runs")
    commands = FakeCommands()
    async with open_panel(tmp_path, "front", commands=commands) as driver:
        form = await open_form(driver, "e", 0)
        list(form.query(Input))[-1].focus()
        await driver.press(*"--json", "enter")
        await driver.wait(lambda: commands.asked)
        assert commands.asked[0][-1] == "--label=--json"


async def test_what_the_command_refuses_is_said_in_the_form_and_nothing_typed_is_lost(tmp_path: Path) -> None:
    build_front(tmp_path / "runs")
    commands = FakeCommands(REFUSED)
    async with open_panel(tmp_path, "front", commands=commands, size=(80, 24)) as driver:
        form = await open_form(driver, "e", 0)
        await driver.press("down", "down", "9", "enter")
        await driver.see("loss.adv: 9 is above 5 [/b]", "hint: at most 5")
        assert form.typed["loss.adv"] == "9"
        commands.result = CommandResult((), 0, "{}")
        await driver.press("backspace", "3", "enter")
        await driver.wait(lambda: driver.place == "TrialsScreen")
        assert "loss.adv=3" in set_pairs(commands.asked[-1])


async def test_a_form_is_left_with_escape_and_nothing_happens(tmp_path: Path) -> None:
    build_front(tmp_path / "runs")
    commands = FakeCommands()
    async with open_panel(tmp_path, "front", commands=commands) as driver:
        await open_form(driver, "e", 0)
        await driver.press("s", "q", "escape")
        await driver.wait(lambda: driver.place == "TrialsScreen")
        assert commands.asked == []


async def test_a_study_without_trials_takes_one_by_hand(tmp_path: Path) -> None:
    change_facts(build_study(tmp_path / "runs", "empty", trials=0, running=0), space=SPACE, parameters=list(SPACE))
    commands = FakeCommands(CommandResult((), 0, json.dumps({"trial": None})))
    async with open_panel(tmp_path, "empty", commands=commands) as driver:
        await driver.press("e")
        await driver.wait(lambda: isinstance(driver.app.screen, FormDialog))
        await driver.press(*"30", "enter")
        await driver.see("makes the trial when it goes on")
        assert set_pairs(commands.asked[0]) == ["loss.pixel=30"]


def test_what_a_line_cannot_show_is_left_empty() -> None:
    facts = StudyFacts(study="s", parameters=("a", "b", "c", "d"))
    start = TrialRecord(0, "complete", {"a": "x\x1b[31m", "b": [1, 2], "c": True, "d": 1e-05})
    assert [field.value for field in trial_fields(facts, start)] == ["", "", "true", "1e-05", ""]


def test_many_parameters_are_typed_in_one_line() -> None:
    facts = StudyFacts(study="s", parameters=tuple(f"p{i}" for i in range(60)))
    fields = trial_fields(facts, None)
    assert len(fields) == 42
    assert [field.key for field in fields[-2:]] == [MORE, LABEL]
    assert "20 more" in fields[-2].hint


def test_fixed_parameters_are_no_fields() -> None:
    facts = StudyFacts(
        study="s", parameters=("a", "b", "c"), space={"a": {"fixed": 3}, "b": "text", "c": {"int": [1, 2]}}
    )
    assert fixed_values(facts) == {"a": 3, "b": "text"}
    assert [field.key for field in trial_fields(facts, None)] == ["c", LABEL]


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"float": [0.001, 0.1], "log": True}, "0.001 to 0.1, log"),
        ({"int": [4, 16], "step": 4}, "4 to 16, whole, step 4"),
        ({"categorical": ["relu", True, 3]}, "relu | true | 3"),
        ({"float": [0, 1], "when": {"a": "b", "c": 1}}, "0 to 1, when a=b and c=1"),
        ({"float": [0, 1], "when": {"a": ["b", "c"], "d": [True]}}, "0 to 1, when a=b|c and d=true"),
        ({"float": "broken"}, ""),
        ({"float": [1, [2]], "when": "[/x] \x1b[31mred"}, "1 to [2], when [/x] red"),
        (None, ""),
    ],
)
def test_ranges_in_words(definition: Any, words: str) -> None:
    assert describe_range(definition) == words


# -- promote -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_promote_shows_the_parameters_and_takes_overrides(tmp_path: Path, size: tuple[int, int]) -> None:
    build_study(tmp_path / "runs", "search", trials=5, running=0)
    commands = FakeCommands(CommandResult((), 0, json.dumps({"study": "search-promoted-3"})))
    async with open_panel(tmp_path, "search", size=size, commands=commands) as driver:
        await open_form(driver, "p", 3)
        trial = driver.app.store.trial("search", 3)
        assert trial is not None
        await driver.see("Promote trial 3 of search", "One run with these parameters", str(trial.params["loss.adv"]))
        await driver.press(*"train.epochs=100 'note=a b'", "tab", *"long-run", "enter")
        await driver.see("search-promoted-3 runs: trial 3")
        wanted = ["promote", "search", "3", "--set", "train.epochs=100", "--set", "note=a b", "--name=long-run"]
        assert commands.asked == [wanted]


async def test_overrides_that_mean_nothing_are_said_before_anything_is_run(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "search", trials=5, running=0)
    commands = FakeCommands()
    async with open_panel(tmp_path, "search", commands=commands) as driver:
        await open_form(driver, "p", 3)
        await driver.press(*"epochs", "enter")
        await driver.see("epochs: not of the form K=V")
        assert commands.asked == []
        await driver.press("escape")
        await driver.wait(lambda: driver.place == "TrialsScreen")


async def test_promote_works_on_the_trial_screen_too(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "search", trials=5, running=0)
    commands = FakeCommands()
    async with open_panel(tmp_path, "search", commands=commands) as driver:
        assert driver.app.screen.query_one(VirtualTable).move_to_key(2)
        await driver.press("enter")
        await driver.wait(lambda: driver.place == "TrialScreen")
        await driver.press("p")
        await driver.wait(lambda: isinstance(driver.app.screen, FormDialog))
        await driver.press("enter")
        await driver.wait(lambda: commands.asked == [["promote", "search", "2"]])


async def test_a_promoted_study_names_its_parent(tmp_path: Path) -> None:
    build_promoted(tmp_path / "runs")
    build_study(tmp_path / "runs", "loss-weights", trials=20, running=0)
    async with open_panel(tmp_path, size=(120, 40)) as driver:
        await driver.see("promoted from loss-weights #17")
    async with open_panel(tmp_path, size=(80, 24)) as driver:
        await driver.see("promoted from loss-weights #17")


# -- imported ----------------------------------------------------------------------------------------------------------


async def test_nothing_can_be_run_in_an_imported_study(tmp_path: Path) -> None:
    build_imported(tmp_path / "runs")
    commands = FakeCommands()
    async with open_panel(tmp_path, "old-study", commands=commands) as driver:
        await driver.see("imported, read-only")
        for key in ("s", "r", "p", "P", "e"):
            await driver.press(key)
            await driver.see(f"{key}: old-study is imported")
            assert driver.place == "TrialsScreen"
        hints = {hint.action: hint.reason for hint in driver.app.screen.key_hints()}  # type: ignore[attr-defined]
        assert {name for name, reason in hints.items() if reason and "only read" in reason} == {
            "stop", "retry", "promote", "pause", "enqueue",
        }  # fmt: skip
        assert hints["diagnose"] is None
        assert commands.asked == []


async def test_an_imported_study_is_marked_and_not_offered_for_launch(tmp_path: Path) -> None:
    paths = build_imported(tmp_path / "runs")
    lines = [line for line in paths.journal.read_text().splitlines() if '"supervisor_' not in line]
    paths.journal.write_text("\n".join(lines) + "\n")
    build_study(tmp_path / "runs", "own", trials=5, running=0, stopped=1)
    async with open_panel(tmp_path) as driver:
        await driver.see("imported, read-only: Optuna, sch", "  imported ")
        assert "interrupted" not in driver.text()
        await driver.press("l")
        await driver.see("go on with own")
        assert "go on with old-study" not in driver.text()


def test_the_form_of_an_unknown_study_type_keeps_the_order_of_the_space() -> None:
    facts = StudyFacts(study="s", parameters=("b", "a"), space={"b": {"int": [1, 2]}, "a": {"int": [3, 4]}})
    assert [field.key for field in trial_fields(facts, None)][:2] == ["b", "a"]
    assert [field.key for field in trial_fields(replace(facts, space={}), None)][:2] == ["b", "a"]
