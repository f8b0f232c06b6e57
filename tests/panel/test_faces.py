from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from htr_tui.panel.screens.trial_columns import objective_titles
from htr_tui.panel.screens.trials import TrialsScreen
from htr_tui.panel.widgets.trial_table import VirtualTable
from tests.fakes.studies import build_study
from tests.panel.driving import SIZES, Driver, open_panel
from tests.panel.studies import (
    SPACE,
    build_front,
    build_imported,
    build_paused,
    build_promoted,
    build_waiting,
    change_facts,
    tell,
)


def row_of(driver: Driver, number: int) -> str:
    """The line of a trial in the table."""
    lines = driver.text().splitlines()
    return next(line for line in lines if line[2:].split() and line[2:].split()[0] == str(number))


async def go_to(driver: Driver, trial: int) -> None:
    assert driver.app.screen.query_one(VirtualTable).move_to_key(trial)
    await driver.pilot.pause()


# -- several objectives and constraints --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_a_front_has_a_column_for_every_objective(tmp_path: Path, size: tuple[int, int]) -> None:
    build_front(tmp_path / "runs")
    async with open_panel(tmp_path, "front", size=size) as driver:
        await driver.see("psnr", "cer", "☆ Pareto", "infeasible", "by hand", "warm start")
        for number, words in {0: ("30.00", "0.3000", "Pareto"), 1: ("25.00", "0.1000", "Pareto")}.items():
            assert all(word in row_of(driver, number) for word in words)
        assert "Pareto" not in row_of(driver, 2)
        assert "infeasible" in row_of(driver, 3)
        assert "★" not in driver.text()


async def test_a_front_is_told_in_list_header_and_detail(tmp_path: Path) -> None:
    build_front(tmp_path / "runs")
    build_study(tmp_path / "runs", "other", trials=2, running=0)
    async with open_panel(tmp_path) as driver:
        assert driver.app.screen.query_one(VirtualTable).move_to_key("front")
        await driver.see("front of 2", "Pareto front", "maximize val/psnr, minimize val/cer", "#0 #1")
        await driver.press("enter")
        await driver.see("2 on the Pareto front")
        await go_to(driver, 1)
        await driver.see("maximize val/psnr", "minimize val/cer", "peak_gpu_gb <= 10: kept", "on the Pareto front")
        await go_to(driver, 3)
        await driver.see("peak_gpu_gb <= 10: broken by 2.500", "never the best")
        await driver.press("enter")
        await driver.see("values 40.00 0.0500", "infeasible")


async def test_less_is_better_where_the_study_says_so(tmp_path: Path) -> None:
    build_front(tmp_path / "runs")
    async with open_panel(tmp_path, "front", size=(200, 60)) as driver:
        screen = driver.app.screen
        assert isinstance(screen, TrialsScreen)
        screen._sort_by("value:2")
        assert [screen.rows.key(i) for i in range(4)] == [3, 1, 0, 2]
        screen._sort_by("value")
        assert [screen.rows.key(i) for i in range(4)] == [3, 0, 1, 2]


@pytest.mark.parametrize(
    ("text", "numbers"), [("by:hand", {4}), ("feasible:no", {3}), ("infeasible", {3}), ("warm", {5})]
)
async def test_trials_are_filtered_by_who_made_them_and_by_constraints(
    tmp_path: Path, text: str, numbers: set[int]
) -> None:
    build_front(tmp_path / "runs")
    async with open_panel(tmp_path, "front") as driver:
        screen = driver.app.screen
        assert isinstance(screen, TrialsScreen)
        screen._set_filter(text)
        assert {screen.rows.key(i) for i in range(len(screen.rows))} == numbers


async def test_the_front_follows_the_journal(tmp_path: Path) -> None:
    paths = build_front(tmp_path / "runs")
    async with open_panel(tmp_path, "front") as driver:
        tell(paths, "attempt_started", trial=4, attempt=1)
        tell(paths, "attempt_ended", trial=4, attempt=1, state="complete")
        tell(paths, "trial_ended", trial=4, state="complete", values=[50.0, 0.01], constraints=[0.0])
        driver.app.files_feed.look_now()
        await driver.wait(lambda: "Pareto" in row_of(driver, 4) and "Pareto" not in row_of(driver, 0))
        await driver.see("1 on the Pareto front")


async def test_an_infeasible_trial_is_never_the_best(tmp_path: Path) -> None:
    paths = build_study(tmp_path / "runs", "bound", trials=3, running=0, failed=0, pruned=0)
    tell(paths, "trial_created", trial=3, params={"loss.adv": 1.0})
    tell(paths, "attempt_started", trial=3, attempt=1)
    tell(paths, "attempt_ended", trial=3, attempt=1, state="complete")
    tell(paths, "trial_ended", trial=3, state="complete", values=[9e3], constraints=[-1, 0.5])
    async with open_panel(tmp_path, "bound") as driver:
        await driver.see("infeasible", "★ best")
        assert "infeasible" in row_of(driver, 3)
        assert "constraint 2: broken by 0.5" in driver.text()
        assert "best #3" not in driver.text()


@pytest.mark.parametrize(
    ("objectives", "titles"),
    [
        (["val/psnr", "val/cer"], ["psnr", "cer"]),
        (["val/cer", "test/cer"], ["value 1", "value 2"]),
        (["val/psnr - 100 * val/cer", "time"], ["value 1", "time"]),
        (["a_metric_with_a_long_name"], ["value 1", "value 2"]),
    ],
)
def test_titles_of_objectives(objectives: list[str], titles: list[str]) -> None:
    assert objective_titles(objectives, 2) == titles


# -- aborted -----------------------------------------------------------------------------------------------------------


async def test_an_aborted_trial_is_explained(tmp_path: Path) -> None:
    paths = build_study(tmp_path / "runs", "rules", trials=2, running=0)
    title = 'the rule "val/psnr < 8 at epoch 3" struck in epoch 3: val/psnr was 5.1'
    tell(paths, "trial_created", trial=2, params={"loss.adv": 1.0})
    tell(paths, "attempt_started", trial=2, attempt=1)
    tell(paths, "attempt_stopping", trial=2, attempt=1, why="abort")
    tell(paths, "attempt_ended", trial=2, attempt=1, state="failed", exit_code=143, category="aborted", title=title)
    tell(paths, "trial_ended", trial=2, state="failed", category="aborted")
    async with open_panel(tmp_path, "rules") as driver:
        await go_to(driver, 2)
        await driver.see("aborted", "val/psnr was 5.1", "given up early")
        await driver.press("enter", "tab", "tab", "tab", "tab")
        await driver.see("[Finding!]", title, "A rule under `abort` in the study file struck", "nothing crashed")


async def test_a_trial_that_the_hours_stopped_says_so(tmp_path: Path) -> None:
    paths = build_study(tmp_path / "runs", "night", trials=2, running=0)
    tell(paths, "trial_created", trial=2, params={"loss.adv": 1.0})
    tell(paths, "attempt_started", trial=2, attempt=1)
    tell(paths, "attempt_stopping", trial=2, attempt=1, why="window")
    tell(paths, "attempt_ended", trial=2, attempt=1, state="stopped", exit_code=143)
    tell(paths, "trial_queued", trial=2, reason="continue")
    async with open_panel(tmp_path, "night") as driver:
        await go_to(driver, 2)
        await driver.see("stopped as the time window closed")


# -- everything at once ------------------------------------------------------------------------------------------------


async def test_new_faces_in_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTR_TUI_ASCII", "1")
    runs = tmp_path / "runs"
    for build in (build_front, build_imported, build_paused, build_promoted, build_waiting):
        build(runs)
    async with open_panel(tmp_path) as driver:
        await driver.see("PAUSED BY ITSELF", "= waiting", "front of 2")
        assert driver.text().isascii(), {c for c in driver.text() if not c.isascii()}
        assert driver.app.screen.query_one(VirtualTable).move_to_key("front")
        await driver.press("enter")
        await driver.see("+ Pareto")
        for key in ("e", "p", "D"):
            await driver.press(key)
            await driver.wait(lambda: "esc cancel" in driver.text() or "enter close" in driver.text())
            assert driver.text().isascii(), (key, {c for c in driver.text() if not c.isascii()})
            await driver.press("escape")


EVIL = "[/foo] [bold]x \x1b[31mred\x1b]0;owned\x07 \u202egnp " + "w" * 200


@pytest.mark.parametrize("size", SIZES)
async def test_texts_of_the_new_fields_are_only_text(tmp_path: Path, size: tuple[int, int]) -> None:
    runs = tmp_path / "runs"
    paths = build_front(runs, "evil")
    space: dict[str, Any] = {EVIL: {"categorical": [EVIL, 3]}, "odd": {"float": "x", "when": EVIL}, "fixed": EVIL}
    change_facts(
        paths, objectives=[EVIL, EVIL], constraints=[EVIL], space={**SPACE, **space}, parameters=[EVIL],
        promoted_from={"study": EVIL, "trial": 3},
    )  # fmt: skip
    tell(paths, "trial_created", trial=9, params={EVIL: EVIL}, by=EVIL, label=EVIL)
    change_facts(build_imported(runs), imported={"url": EVIL, "kind": EVIL, "study": EVIL})
    async with open_panel(tmp_path, size=size) as driver:
        seen = [driver.text()]
        assert driver.app.screen.query_one(VirtualTable).move_to_key("old-study")
        await driver.pilot.pause()
        seen.append(driver.text())
        assert driver.app.screen.query_one(VirtualTable).move_to_key("evil")
        await driver.press("enter")
        await driver.wait(lambda: driver.place == "TrialsScreen")
        await go_to(driver, 9)
        for keys in ("e", "p", "D"):
            await driver.press(keys)
            await driver.wait(lambda: driver.place != "TrialsScreen")
            await driver.wait(lambda: "reading the journal" not in driver.text())
            seen.append(driver.text())
            await driver.press("escape")
            await driver.wait(lambda: driver.place == "TrialsScreen")
        await driver.press("enter", "tab", "tab", "tab")
        await driver.see("[Config]")
        everything = "".join([*seen, driver.text()])
        assert "\x1b" not in everything
        assert "\u202e" not in everything
