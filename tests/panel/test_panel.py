from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from htr_tui.files import LineAppender, write_json
from htr_tui.panel.commands import CommandResult
from htr_tui.panel.screens.dialogs import ChoiceDialog, Dialog, LaunchDialog, MessageDialog
from htr_tui.panel.screens.help import HelpScreen
from htr_tui.panel.screens.retry_dialog import RetryDialog
from htr_tui.panel.screens.trial import TABS, TrialScreen
from htr_tui.panel.screens.trials import TrialsScreen
from htr_tui.panel.widgets.curve_chart import CurveChart
from htr_tui.panel.widgets.trial_table import VirtualTable
from tests.fakes.studies import build_study
from tests.panel.driving import SIZES, Driver, FakeCommands, open_panel


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder with a running, a stopped and a finished study; every trial of the first has files."""
    runs = tmp_path / "runs"
    build_study(runs, "loss-weights", trials=24, running=1, queued=1, failed=2, full_attempts=24)
    build_study(runs, "baseline", trials=10, running=0, stopped=2)
    build_study(runs, "sweep", trials=10, running=0)
    (tmp_path / "configs" / "studies").mkdir(parents=True)
    (tmp_path / "configs" / "studies" / "fresh.yaml").write_text("study: fresh\n")
    return tmp_path


def table(driver: Driver) -> VirtualTable:
    return driver.app.screen.query_one(VirtualTable)


def trial_in_state(driver: Driver, state: str, study: str = "loss-weights") -> int:
    changes = driver.app.store.trials_changed_since(study, -1)
    found = [trial for trial in changes.trials if trial.state == state]
    return min(found, key=lambda trial: len(trial.attempts)).number


async def go_to(driver: Driver, trial: int) -> None:
    assert table(driver).move_to_key(trial)
    await driver.pilot.pause()


# -- places ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_studies_trials_and_a_trial_at_every_size(directory: Path, size: tuple[int, int]) -> None:
    async with open_panel(directory, size=size) as driver:
        await driver.see("loss-weights", "baseline", "sweep", "● running", "■ stopped", "✓ finished", "22/24")
        await driver.see("epoch 7/10")
        await driver.press("enter")
        await driver.see("rec_feat", "● running", "✗ failed", "gpu_oom", "supervised")
        assert ("parameters" in driver.text()) == (size[0] >= 110)
        await driver.press("enter")
        assert driver.place == "TrialScreen"
        await driver.see("[Metrics]")
        for tab in (*TABS[1:], TABS[0]):
            await driver.press("tab")
            await driver.see(f"[{tab.capitalize()}")
        await driver.press("escape")
        assert driver.place == "TrialsScreen"
        await driver.press("escape")
        assert driver.place == "StudiesScreen"


async def test_a_study_that_is_named_or_alone_opens_at_once(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "only", trials=5, running=0)
    async with open_panel(tmp_path) as driver:
        await driver.wait(lambda: driver.place == "TrialsScreen")
    build_study(tmp_path / "runs", "second", trials=5, running=0)
    async with open_panel(tmp_path) as driver:
        assert driver.place == "StudiesScreen"
    async with open_panel(tmp_path, "second") as driver:
        assert driver.place == "TrialsScreen"
        await driver.see("second", "5/5")


async def test_number_keys_go_everywhere_and_back(directory: Path) -> None:
    async with open_panel(directory) as driver:
        await driver.press("2")
        assert driver.place == "TrialsScreen"
        await driver.press("3")
        assert driver.place == "TrialScreen"
        await driver.press("1")
        assert driver.place == "StudiesScreen"
        await driver.press("3")
        assert driver.place == "TrialScreen"


async def test_no_studies_is_said_and_what_to_do(tmp_path: Path) -> None:
    async with open_panel(tmp_path, size=(80, 24)) as driver:
        await driver.see("No studies here yet: press l")
        for key in ("enter", "2", "3", "s", "r", "escape", "n"):
            await driver.press(key)
        assert driver.place == "StudiesScreen"


async def test_a_study_that_does_not_exist_is_said(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "real", trials=3, running=0)
    async with open_panel(tmp_path, "imagined") as driver:
        await driver.see("There is no such study")


async def test_a_study_that_vanishes_leaves_an_empty_face(directory: Path) -> None:
    async with open_panel(directory, "sweep") as driver:
        await driver.see("9/10" if "9/10" in driver.text() else "10/10")
        (directory / "runs" / "sweep" / "journal.jsonl").unlink()
        driver.app.files_feed.look_now()
        await driver.see("There is no such study")


# -- news --------------------------------------------------------------------------------------------------------------


async def test_news_of_the_journal_reach_the_table(directory: Path) -> None:
    async with open_panel(directory, "loss-weights") as driver:
        running = trial_in_state(driver, "running")
        await go_to(driver, running)
        record = driver.app.store.trial("loss-weights", running)
        assert record is not None
        attempt = record.attempts[-1].number
        journal = LineAppender(directory / "runs" / "loss-weights" / "journal.jsonl")
        ended = {"trial": running, "attempt": attempt, "state": "failed", "epoch": 7, "category": "nan_loss"}
        journal.append({"t": 2e9, "event": "attempt_ended", **ended, "title": "The loss is not a number"})
        journal.append({"t": 2e9, "event": "trial_ended", "trial": running, "state": "failed", "category": "nan_loss"})
        driver.app.files_feed.look_now()
        await driver.see("nan_loss", "The loss is not a number")
        assert table(driver).cursor_key == running


async def test_nothing_is_painted_while_nothing_happens(directory: Path) -> None:
    async with open_panel(directory, "sweep") as driver:
        screen = driver.app.screen
        assert isinstance(screen, TrialsScreen)
        await driver.wait(lambda: "val/psnr" in driver.text() or "no metrics yet" in driver.text())
        made, paints = screen.rows.cells_made, screen.query_one("#detail").paints  # type: ignore[attr-defined]
        steps = driver.app.files_feed.steps
        await driver.wait(lambda: driver.app.files_feed.steps >= steps + 2)
        assert screen.rows.cells_made <= made + 40
        assert screen.query_one("#detail").paints == paints  # type: ignore[attr-defined]


async def test_only_rows_on_screen_are_made_of_50_000_trials(tmp_path: Path) -> None:
    build_study(tmp_path / "runs", "huge", trials=50_000, epochs=0, running=0, failed=0, pruned=0, full_attempts=0)
    async with open_panel(tmp_path, "huge") as driver:
        screen = driver.app.screen
        assert isinstance(screen, TrialsScreen)
        await driver.see("49999", "50000/50000")
        before = screen.rows.cells_made
        for _ in range(10):
            await driver.press("pagedown")
        assert screen.rows.cells_made - before <= 10 * 3 * 40
        await driver.press("G")
        await driver.see("▸    0")
        await driver.press("o", "o")
        await driver.wait(lambda: screen.rows.order == ("value", True), "sorted by value")
        assert len(screen.rows) == 50_000
        assert screen.rows.cells_made <= 4000


# -- table -------------------------------------------------------------------------------------------------------------


async def test_filter_narrows_and_escape_drops_it(directory: Path) -> None:
    async with open_panel(directory, "loss-weights") as driver:
        await driver.press("f", *"fail")
        await driver.see("filter fail: 2")
        await driver.press("enter")
        assert table(driver).row_count == 2
        assert driver.app.focused is table(driver)
        await driver.press("escape")
        assert table(driver).row_count == 24
        assert driver.place == "TrialsScreen"


async def test_a_filter_that_means_nothing_says_so_and_changes_nothing(directory: Path) -> None:
    async with open_panel(directory, "loss-weights") as driver:
        await driver.press("f", *"pixle", "greater_than_sign", "3")
        await driver.see("did you mean pixel?")
        await driver.press("escape")
        assert table(driver).row_count == 24
        assert driver.app.focused is table(driver)


async def test_search_goes_to_the_next_match_and_round(directory: Path) -> None:
    async with open_panel(directory, "loss-weights") as driver:
        failed = sorted(
            (t.number for t in driver.app.store.trials_changed_since("loss-weights", -1).trials if t.state == "failed"),
            reverse=True,
        )
        await driver.press("slash", *"oom", "enter")
        found = [table(driver).cursor_key]
        await driver.press("n")
        found.append(table(driver).cursor_key)
        assert set(failed) <= set(found) | {table(driver).cursor_key}
        await driver.press("N")
        assert table(driver).cursor_key == found[0]


async def test_letters_typed_in_a_hurry_are_no_keys(directory: Path) -> None:
    commands = FakeCommands()
    async with open_panel(directory, "loss-weights", commands=commands) as driver:
        await driver.pilot.press("slash", "s", "q", "l", "enter")
        await driver.pilot.pause()
        assert driver.place == "TrialsScreen"
        assert commands.asked == []


async def test_what_is_typed_in_a_hurry_after_tab_belongs_to_the_next_field(directory: Path) -> None:
    commands = FakeCommands()
    async with open_panel(directory, commands=commands) as driver:
        await driver.press("l")
        await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        for key in ("tab", *"jack.yaml", "enter"):
            driver.app.simulate_key(key)
        await driver.wait(lambda: commands.asked == [["run", "jack.yaml"]])


async def test_marks_and_order(directory: Path) -> None:
    async with open_panel(directory, "loss-weights") as driver:
        first = table(driver).cursor_key
        await driver.press("space", "space")
        assert len(table(driver).marked) == 2
        assert first in table(driver).marked
        await driver.see("2 marked")
        await driver.press("O")
        screen = driver.app.screen
        assert isinstance(screen, TrialsScreen)
        assert screen.rows.key(0) == 0
        await driver.press("o")
        assert screen.rows.order[0] == "state"


# -- requests ----------------------------------------------------------------------------------------------------------


async def test_stop_asks_first_and_no_is_the_default(directory: Path) -> None:
    commands = FakeCommands()
    async with open_panel(directory, "loss-weights", commands=commands) as driver:
        await driver.press("s")
        await driver.wait(lambda: isinstance(driver.app.screen, ChoiceDialog))
        await driver.see("Stop loss-weights?", "no, go on")
        await driver.press("enter")
        await driver.wait(lambda: driver.place == "TrialsScreen")
        assert commands.asked == []
        for downs, arguments in ((1, []), (2, ["--now"])):
            await driver.press("s")
            await driver.wait(lambda: isinstance(driver.app.screen, ChoiceDialog))
            await driver.press(*["j"] * downs, "enter")
            await driver.wait(lambda: commands.asked)
            assert commands.asked.pop() == ["stop", "loss-weights", "--no-wait", *arguments]


async def test_launch_goes_on_with_a_stopped_study(directory: Path) -> None:
    commands = FakeCommands(CommandResult((), 0, json.dumps({"study": "baseline", "warnings": ["[/b] changed"]})))
    async with open_panel(directory, commands=commands) as driver:
        await driver.press("l")
        await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        await driver.see("go on with baseline", "start configs/studies/fresh.yaml")
        await driver.press("enter")
        await driver.see("baseline is supervised now", "[/b] changed")
        assert commands.asked == [["run", "baseline"]]


async def test_launch_starts_a_file_or_a_path_that_is_typed(directory: Path) -> None:
    commands = FakeCommands()
    async with open_panel(directory, commands=commands) as driver:
        await driver.press("l")
        await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        await driver.press("end", "enter")
        await driver.wait(lambda: commands.asked)
        assert commands.asked.pop() == ["run", str(directory / "configs" / "studies" / "fresh.yaml")]
        await driver.wait(lambda: driver.place == "StudiesScreen")
        await driver.press("l")
        await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        await driver.press("tab", *"a b.yaml", "enter")
        await driver.wait(lambda: commands.asked)
        assert commands.asked == [["run", "a b.yaml"]]


async def test_retry_applies_the_suggested_fix(directory: Path) -> None:
    commands = FakeCommands()
    async with open_panel(directory, "loss-weights", commands=commands) as driver:
        failed = trial_in_state(driver, "failed")
        await go_to(driver, failed)
        await driver.press("r")
        await driver.wait(lambda: isinstance(driver.app.screen, RetryDialog))
        await driver.see("GPU out of memory", "halve the batch", "train.batch=4")
        await driver.press("enter")
        await driver.wait(lambda: commands.asked)
        assert commands.asked == [["retry", "loss-weights", str(failed), "--fix", "halve_batch"]]


async def test_retry_with_edited_overrides_or_without_a_fix(directory: Path) -> None:
    commands = FakeCommands()
    async with open_panel(directory, "loss-weights", commands=commands) as driver:
        failed = trial_in_state(driver, "failed")
        await go_to(driver, failed)
        await driver.press("r")
        await driver.wait(lambda: isinstance(driver.app.screen, RetryDialog))
        await driver.press("tab", "end", *" oops")
        await driver.press("enter")
        await driver.see("not of the form K=V")
        await driver.press(*["backspace"] * 4, *"loss.adv=1e-3", "enter")
        await driver.wait(lambda: commands.asked)
        wanted = ["retry", "loss-weights", str(failed), "--fix", "halve_batch", "--set", "loss.adv=1e-3"]
        assert commands.asked.pop() == wanted
        await driver.wait(lambda: driver.place == "TrialsScreen")
        await driver.press("r")
        await driver.wait(lambda: isinstance(driver.app.screen, RetryDialog))
        await driver.press("down", "enter")
        await driver.wait(lambda: commands.asked)
        assert commands.asked == [["retry", "loss-weights", str(failed), "--fix", "none"]]


async def test_a_command_that_fails_is_explained_in_a_dialog(directory: Path) -> None:
    error = {"error": {"title": "already supervised by pid 7 on [/b]far", "message": "", "hint": "stop it there"}}
    commands = FakeCommands(CommandResult((), 1, json.dumps(error)))
    async with open_panel(directory, commands=commands) as driver:
        await driver.press("l")
        await driver.wait(lambda: isinstance(driver.app.screen, LaunchDialog))
        await driver.press("enter")
        await driver.wait(lambda: isinstance(driver.app.screen, MessageDialog))
        await driver.see("htr-tui run failed (exit status 1)", "pid 7 on [/b]far", "hint: stop it there")
        await driver.press("enter")
        assert driver.place == "StudiesScreen"


async def test_keys_that_do_nothing_say_why(directory: Path) -> None:
    commands = FakeCommands()
    async with open_panel(directory, "sweep", commands=commands) as driver:
        await driver.press("s")
        await driver.see("sweep is not running")
        await go_to(driver, trial_in_state(driver, "complete", "sweep"))
        await driver.press("r")
        await driver.see("only failed")
        hints = {hint.action: hint.reason for hint in driver.app.screen.key_hints()}  # type: ignore[attr-defined]
        assert hints["stop"] == "sweep is not running"
        assert hints["launch"] is None
        assert commands.asked == []


async def test_a_read_only_panel_changes_nothing(directory: Path) -> None:
    commands = FakeCommands()
    async with open_panel(directory, "loss-weights", commands=commands, is_read_only=True) as driver:
        await go_to(driver, trial_in_state(driver, "failed"))
        for key in ("l", "s", "r"):
            await driver.press(key)
            await driver.see("read-only")
            assert driver.place == "TrialsScreen"
        assert commands.asked == []


async def test_help_names_the_keys_of_the_screen(directory: Path) -> None:
    async with open_panel(directory, "loss-weights", size=(80, 24)) as driver:
        await driver.press("question_mark")
        assert isinstance(driver.app.screen, HelpScreen)
        await driver.see("Keys of Trials", "launch" if "launch" in driver.text() else "Go on with a stopped")
        await driver.press("question_mark")
        assert driver.place == "TrialsScreen"


# -- trial -------------------------------------------------------------------------------------------------------------


async def open_trial(driver: Driver, number: int) -> TrialScreen:
    await go_to(driver, number)
    await driver.press("enter")
    screen = driver.app.screen
    assert isinstance(screen, TrialScreen)
    await driver.wait(lambda: (files := screen.files()) and files.attempts and files.attempts[-1].is_loaded)
    return screen


async def test_evidence_leads_to_its_line_in_the_log(directory: Path) -> None:
    async with open_panel(directory, "loss-weights") as driver:
        screen = await open_trial(driver, trial_in_state(driver, "failed"))
        screen.show_tab("finding")
        await driver.see("GPU out of memory", "evidence", "halve_batch")
        await driver.press("enter")
        assert screen.tab == "log"
        await driver.see("OOM when allocating")


async def test_attempts_are_switched_and_metrics_merged(directory: Path) -> None:
    async with open_panel(directory, "loss-weights") as driver:
        changes = driver.app.store.trials_changed_since("loss-weights", -1)
        two = next(trial for trial in changes.trials if len(trial.attempts) == 2 and trial.state == "failed")
        screen = await open_trial(driver, two.number)
        await driver.see("attempt 2 of 2", "of attempt 1", "of attempt 2", "val/psnr")
        charts = list(screen.query("#charts CurveChart").results(CurveChart))
        assert charts
        assert {len(chart.series[0].points) for chart in charts} == {two.epoch}
        screen.show_tab("config")
        await driver.see("overrides in force", "train.batch = 4", "halve_batch")
        await driver.press("left_square_bracket")
        await driver.see("attempt 1 of 2")
        assert "overrides in force" not in driver.text()
        screen.show_tab("finding")
        await driver.see("GPU out of memory")
        await driver.press("right_square_bracket")
        await driver.see("attempt 2 of 2")


async def test_pictures_are_leafed_through(directory: Path) -> None:
    async with open_panel(directory, "loss-weights") as driver:
        screen = await open_trial(driver, trial_in_state(driver, "complete"))
        screen.show_tab("pictures")
        await driver.see("epoch 10", "10 of 10")
        await driver.press("left")
        await driver.see("9 of 10")
        await driver.press("home")
        await driver.see("epoch 1 ", "1 of 10")
        await driver.press("right", "end")
        await driver.see("10 of 10")


async def test_neighbours_in_the_table_are_reached_from_the_trial(directory: Path) -> None:
    async with open_panel(directory, "loss-weights") as driver:
        await open_trial(driver, 10)
        await driver.press("greater_than_sign")
        assert driver.app.panel.trial == 9
        await driver.see("#9 ")
        await driver.press("less_than_sign", "less_than_sign")
        assert driver.app.panel.trial == 11
        await driver.press("escape")
        assert table(driver).cursor_key == 11


# -- hostile -----------------------------------------------------------------------------------------------------------

EVIL = "[/foo] [bold]x \x1b[31mred\x1b]0;owned\x07 \u202egnp 🦊" + "w" * 300


def build_hostile(runs: Path) -> None:
    paths = build_study(runs, "evil", trials=6, running=1, failed=1, full_attempts=6)
    journal = LineAppender(paths.journal)
    params: dict[str, Any] = {EVIL: EVIL, "huge": 10**400, "nan": "nan", "deep": {"a": [1] * 50}, "none": None}
    journal.append({"t": 2e9, "event": "trial_created", "trial": 90, "params": params, "label": EVIL})
    journal.append({"t": 2e9, "event": "attempt_started", "trial": 90, "attempt": 1, "set": {EVIL: EVIL}, "fix": EVIL})
    told = {"state": "failed", "category": EVIL, "title": EVIL, "suggested_fix": EVIL, "exit_code": 1, "epoch": 3}
    journal.append({"t": 2e9, "event": "attempt_ended", "trial": 90, "attempt": 1, **told})
    journal.append({"t": 2e9, "event": "trial_ended", "trial": 90, "state": "failed", "category": EVIL})
    journal.append({"t": 2e9, "event": "note", "level": "error", "message": EVIL, "trial": 90})
    journal.append({"t": 1e300, "event": "trial_created", "trial": 91, "params": {"x": float("inf")}})
    journal.append({"t": 2e9, "event": "trial_ended", "trial": 91, "state": "complete", "values": ["nan"]})
    attempt = paths.attempt(90, 1)
    attempt.samples.mkdir(parents=True)
    attempt.log.write_bytes(EVIL.encode() + b"\n\xff\xfe\x00\n" + b"x" * 100_000)
    events = LineAppender(attempt.events)
    events.append({"t": 1, "kind": "start", "epochs": 5, "steps": 2, "params": {EVIL[:90]: EVIL}})
    for epoch in range(1, 5):
        values = {EVIL[:90]: [1e308, -1e308, "nan", "inf"][epoch - 1], "val/loss": 1.0 / epoch}
        events.append({"t": epoch, "kind": "metrics", "epoch": epoch, "values": values})
    events.append({"t": 9, "kind": "sample", "path": "samples/no.png", "epoch": 1, "caption": EVIL, "panels": [EVIL]})
    events.append({"t": 9, "kind": "sample", "path": "../../../etc/passwd", "epoch": 1})
    events.append({"t": 9, "kind": "note", "level": "error", "message": EVIL})
    finding = {
        "category": EVIL, "title": EVIL, "explanation": EVIL, "confidence": "nan",
        "evidence": [{"line": 1, "text": EVIL}, {"line": "x"}, 7],
        "fixes": [{"name": EVIL, "title": EVIL, "set": {EVIL: EVIL}, "effect": EVIL}, {"name": 3}, None],
    }  # fmt: skip
    write_json(attempt.finding, finding)
    write_json(attempt.command, {"argv": [EVIL, 3], "env": {EVIL: EVIL, "API_KEY": "hunter2"}, "cwd": EVIL})
    for path, line in ((attempt.system, {"t": "x", "rss_bytes": "inf"}), (attempt.devices, {"gpus": [3, {}]})):
        LineAppender(path).append(line, {"t": 1.0, "rss_bytes": 5, "gpus": [{"used_bytes": 7}]})
    write_json(paths.tracking, {"error": {"message": EVIL}})


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (160, 50)])
async def test_texts_from_outside_are_only_text(tmp_path: Path, size: tuple[int, int]) -> None:
    build_hostile(tmp_path / "runs")
    build_study(tmp_path / "runs", "other", trials=2, running=0)
    async with open_panel(tmp_path, size=size) as driver:
        await driver.wait(lambda: driver.app.store.trial("evil", 91) is not None)
        seen = [driver.text()]
        await driver.press("enter")
        await driver.wait(lambda: driver.place == "TrialsScreen")
        driver.app.panel.study = "evil"
        driver.app.screen.draw()  # type: ignore[attr-defined]
        await go_to(driver, 90)
        seen.append(driver.text())
        await driver.press("f", *"[/foo]", "enter")
        await driver.press("r")
        await driver.wait(lambda: isinstance(driver.app.screen, Dialog))
        seen.append(driver.text())
        await driver.press("escape")
        await driver.wait(lambda: driver.place == "TrialsScreen")
        screen = await open_trial(driver, 90)
        for tab in TABS:
            screen.show_tab(tab)
            await driver.pilot.pause()
            await driver.pilot.pause()
            seen.append(driver.text())
        everything = "".join(seen)
        assert "\x1b" not in everything
        assert "\u202e" not in everything
        assert "hunter2" not in everything


async def test_no_key_breaks_anything(directory: Path) -> None:
    commands = FakeCommands()
    keys = [*"abcdefghijkmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ0456789", "home", "end", "pageup", "pagedown"]
    keys += ["left", "right", "delete", "backspace", "f1", "ctrl+a", "tab", "space", "escape", "escape", "enter"]
    async with open_panel(directory, "loss-weights", commands=commands) as driver:
        for _ in range(3):
            for key in keys:
                await driver.pilot.press(key)
                if isinstance(driver.app.screen, Dialog):
                    await driver.pilot.press("escape")
            await driver.pilot.press("escape")
        await driver.pilot.pause()
        assert driver.app.is_running
        assert commands.asked == []


async def test_a_tiny_terminal_gets_a_notice_and_recovers(directory: Path) -> None:
    async with open_panel(directory, size=(30, 6)) as driver:
        await driver.see("too small")
        await driver.pilot.resize_terminal(80, 24)
        await driver.see("loss-weights", "progress")


@pytest.mark.parametrize(("wanted", "theme"), [("", "htr-dark"), ("htr-light", "htr-light"), ("none,nord", "nord")])
async def test_the_theme_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, theme: str
) -> None:
    monkeypatch.setenv("TEXTUAL_THEME", wanted)
    async with open_panel(tmp_path) as driver:
        assert driver.app.theme == theme


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
async def test_a_journal_that_cannot_be_read_is_said(directory: Path) -> None:
    (directory / "runs" / "sweep" / "journal.jsonl").chmod(0)
    async with open_panel(directory, "sweep") as driver:
        await driver.see("cannot be read")


async def test_ascii_only(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTR_TUI_ASCII", "1")
    async with open_panel(directory, size=(120, 40)) as driver:
        assert driver.text().isascii(), {c for c in driver.text() if not c.isascii()}
        await driver.press("enter")
        await driver.see("> running")
        assert driver.text().isascii(), {c for c in driver.text() if not c.isascii()}
        await go_to(driver, trial_in_state(driver, "failed"))
        screen = await open_trial(driver, trial_in_state(driver, "failed"))
        for tab in TABS:
            screen.show_tab(tab)
            await driver.see(f"[{tab.capitalize()}")
            assert driver.text().isascii(), (tab, {c for c in driver.text() if not c.isascii()})


async def test_threads_end_with_the_panel(directory: Path) -> None:
    async with open_panel(directory):
        names = {thread.name for thread in threading.enumerate()}
        assert {"htr-tui files", "htr-tui machine"} <= names
    assert not {thread.name for thread in threading.enumerate()} & {"htr-tui files", "htr-tui machine"}


async def test_no_gpu_is_a_normal_case(directory: Path) -> None:
    from htr_tui.panel.views import MachineView

    machine = MachineView(gpu_error="no NVIDIA driver here", cpu_percent=3.0, memory_used=1, memory_total=2)
    async with open_panel(directory, sampler=lambda: machine) as driver:
        await driver.see("no NVIDIA driver here")


async def test_a_feed_that_fails_is_said_to_be_stale(directory: Path) -> None:
    def broken() -> Any:
        raise OSError("[/foo] driver is gone")

    async with open_panel(directory, sampler=broken) as driver:
        await driver.see("machine stale", "[/foo] driver is gone")
