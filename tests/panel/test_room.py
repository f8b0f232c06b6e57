"""What must be readable at 80 columns, and what stands there when there is nothing to show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.content import Content

from htr_tui.journal.records import StudyFacts, TrialState
from htr_tui.panel.format import to_ascii
from htr_tui.panel.screens.parameters import compact_number
from htr_tui.panel.screens.retry_dialog import RetryDialog
from htr_tui.panel.screens.study_rows import best_text
from htr_tui.panel.widgets.table_rows import Cell
from htr_tui.triage.finding import Fix
from tests.fakes.studies import build_study
from tests.panel.driving import MACHINE, SIZES, Driver, open_panel
from tests.panel.studies import build_front, build_imported, build_paused, change_facts, study_view, tell


def row_of(driver: Driver, name: str) -> str:
    return next(line for line in driver.text().splitlines() if f" {name} " in line)


async def test_the_best_value_is_whole_beside_a_scroll_bar_at_80_columns(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "loss-weights-promoted", trials=4, running=0)
    for number in range(14):
        build_study(tmp_path / "runs", f"other-{number}", trials=1, running=0)
    async with open_panel(tmp_path, size=(80, 24)) as driver:
        study = driver.app.store.study("loss-weights-promoted")
        assert study is not None
        best = best_text(study)
        assert isinstance(best, str)
        driver.app.screen.query_one("#main").focus()
        await driver.press("slash", *"promoted", "enter")
        await driver.wait(lambda: " loss-weights-promoted " in driver.text())
        assert best in row_of(driver, "loss-weights-promoted")


async def test_3_opens_a_trial_also_where_none_runs_and_none_is_the_best(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "broken", trials=3, running=0, failed=3, full_attempts=3)
    async with open_panel(tmp_path, size=(80, 24)) as driver:
        await driver.press("3")
        await driver.wait(lambda: driver.place == "TrialScreen")
        await driver.see("#2", "failed")


async def test_a_study_in_which_every_trial_breaks_a_constraint_says_so(tmp_path: Path) -> None:
    paths = build_study(tmp_path / "runs", "tight", trials=0, running=0, full_attempts=0)
    change_facts(paths, constraints=["val/cer <= 0.5"])
    tell(paths, "trial_created", trial=0, params={"lr": 0.1})
    tell(paths, "attempt_started", trial=0, attempt=1, devices=[], slot=0)
    tell(paths, "attempt_ended", trial=0, attempt=1, state="complete", exit_code=0, epoch=1, epochs=1)
    tell(paths, "trial_ended", trial=0, state="complete", values=[3.0], constraints=[0.2])
    async with open_panel(tmp_path) as driver:
        await driver.see("tight", "none feasible", "infeasible")
        await driver.press("1")
        await driver.see("none feasible", "no complete trial keeps the constraints")


def test_none_is_feasible_only_where_there_are_constraints_and_complete_trials() -> None:
    counts: dict[TrialState, int] = {"queued": 0, "running": 0, "complete": 2, "pruned": 0, "failed": 0, "stopped": 0}
    study = study_view(counts=counts)
    assert best_text(study) == Cell("—", "muted")
    bound = replace(study, facts=StudyFacts(study="study", constraints=("loss <= 1",)))
    assert best_text(bound) == Cell("none feasible", "warn")
    assert best_text(replace(bound, counts={**counts, "complete": 0})) == Cell("—", "muted")
    assert best_text(replace(bound, pareto=frozenset({1}))) == "front of 1"


async def test_an_imported_trial_has_no_log_and_never_will(tmp_path: Path) -> None:
    build_imported(tmp_path / "runs")
    async with open_panel(tmp_path, "old-study") as driver:
        await driver.press("3", "tab")
        await driver.see("an imported trial comes without one")


async def test_the_devices_screen_has_no_keys_for_a_paused_study_and_says_where_they_are(tmp_path: Path) -> None:
    build_paused(tmp_path / "runs")
    machine = replace(MACHINE, gpus=(), gpu_error="no NVIDIA driver here")
    async with open_panel(tmp_path, "paused", sampler=lambda: machine) as driver:
        await driver.press("6")
        await driver.see("no GPU", "On its trials (2): D diagnosis, P continue, s stop.")


async def test_the_form_of_promotion_has_the_names_that_its_overrides_take(tmp_path: Path) -> None:
    build_front(tmp_path / "runs")
    async with open_panel(tmp_path, "front", size=(80, 24)) as driver:
        await driver.press("p")
        await driver.see("Promote trial", "loss.pixel", "such as train.epochs=100")


def test_running_again_without_a_change_is_offered_once() -> None:
    retry = Fix("retry", "Try again unchanged")
    batch = Fix("batch", "Halve the batch", set={"train.batch": 4})
    assert [fix.name for fix in RetryDialog(3, "crash", [retry]).fixes] == ["retry"]
    assert [fix.name for fix in RetryDialog(3, "crash", [batch]).fixes] == ["batch", "none"]
    assert [fix.name for fix in RetryDialog(3, "crash", []).fixes] == ["none"]


def test_the_ends_of_scroll_bars_have_an_ascii_form() -> None:
    assert "?" not in to_ascii("▁▂▃▄▅▆▇█▊▉")


def test_tiny_numbers_keep_two_digits() -> None:
    assert [compact_number(x) for x in (0.00041289, -0.00041289, 3e-7, 0.0018)] == [
        "4.1e-4", "-4.1e-4", "3.0e-7", "0.0018",
    ]  # fmt: skip
    assert compact_number(1e-12) == "1.00e-12"


@pytest.mark.parametrize("size", SIZES)
async def test_a_long_diagnosis_is_wrapped_once_beside_its_scroll_bar(tmp_path: Path, size: tuple[int, int]) -> None:
    build_study(tmp_path / "runs", "broken", trials=30, running=0, failed=30, full_attempts=3)
    async with open_panel(tmp_path, size=size) as driver:
        await driver.press("D")
        await driver.see("What to do")
        text = driver.app.screen.query_one("#text > Static")
        content = text.render()
        assert isinstance(content, Content)
        assert max(line.cell_length for line in content.split()) <= text.size.width
