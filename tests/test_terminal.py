"""The real panel in a real pseudo-terminal, on a real study of the fake trainer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.launching import FakeStudy, fake_study
from tests.fakes.studies import build_study
from tests.fakes.terminal import Terminal

Opener = Callable[..., Terminal]


@pytest.fixture
def open_panel() -> Iterator[Opener]:
    opened: list[Terminal] = []

    def open_it(base: Path, columns: int = 120, rows: int = 40, **env: str) -> Terminal:
        terminal = Terminal([sys.executable, "-m", "htr_tui", str(base)], columns, rows, env=env)
        opened.append(terminal)
        return terminal

    yield open_it
    for terminal in opened:
        terminal.close()


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 60)])
def test_opens_on_all_studies_and_quits(tmp_path: Path, open_panel: Opener, columns: int, rows: int) -> None:
    for name in ("first-study", "second-study"):
        build_study(tmp_path / "runs", name, trials=20, running=0)
    panel = open_panel(tmp_path, columns, rows)
    panel.see("first-study", "second-study")
    panel.press("\r")
    panel.see("complete")
    panel.press("q")
    assert panel.wait_until_ended() == 0


def test_an_empty_folder_says_what_to_do(tmp_path: Path, open_panel: Opener) -> None:
    panel = open_panel(tmp_path, 80, 24)
    panel.wait_for(lambda text: "no studies" in text.lower() or "launch" in text.lower(), "an empty face")
    panel.press("q")
    assert panel.wait_until_ended() == 0


def test_plain_terminals_get_ascii_and_no_colour(tmp_path: Path, open_panel: Opener) -> None:
    build_study(tmp_path / "runs", "plain", trials=5, running=0)
    panel = open_panel(tmp_path, 80, 24, LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", NO_COLOR="1")
    panel.see("complete")
    panel.press("q")
    assert panel.wait_until_ended() == 0


def live_study(tmp_path: Path) -> FakeStudy:
    study = fake_study(tmp_path, "--epochs", "3", "--oom-batch", "8", "--only-trial", "0", gate=1, budget={"trials": 2})
    study.cli("run", str(study.file))
    return study


def test_a_lost_line_leaves_the_study_running(tmp_path: Path, open_panel: Opener) -> None:
    study = live_study(tmp_path)
    panel = open_panel(tmp_path)
    panel.see("running")
    panel.hang_up()
    study.open_gate(100)
    fold = study.wait_until_ended()
    assert fold.counts["complete"] + fold.counts["failed"] == 2


def test_retry_from_the_panel_applies_the_fix(tmp_path: Path, open_panel: Opener) -> None:
    study = live_study(tmp_path)
    study.open_gate(100)
    assert study.wait_until_ended().counts["failed"] == 1
    panel = open_panel(tmp_path)
    panel.see("failed", "gpu_oom")
    panel.press("G")  # the last row: trial 0
    panel.see("r to retry with halve_batch")
    panel.press("r")
    panel.see("Halve the batch", "train.accumulation=2")
    panel.press("\r")
    panel.wait_for(lambda _: study.fold().trials[0].state == "complete", "the retry to complete")
    assert study.fold().trials[0].attempts[-1].set == {"train.batch": 4, "train.accumulation": 2}
    panel.wait_for(lambda text: "failed" not in text, "no failed trial any more")
    panel.press("q")
    assert panel.wait_until_ended() == 0
    study.wait_until_ended()


def test_stop_and_launch_from_the_panel(tmp_path: Path, open_panel: Opener) -> None:
    study = fake_study(tmp_path, "--epochs", "3", gate=1, budget={"trials": 2})
    study.cli("run", str(study.file))
    panel = open_panel(tmp_path)
    panel.see("running", "1/3")
    panel.press("s")
    panel.see("Stop fake?")
    panel.press("j")
    panel.press("\r")
    panel.wait_for(lambda _: study.fold().counts["stopped"] == 1, "the trial to stop")
    panel.see("stopped")
    study.wait_until_ended()
    study.open_gate(100)
    panel.press("l")
    panel.see("go on with fake")
    panel.press("\r")
    panel.wait_for(lambda _: study.fold().counts["complete"] == 2, "both trials to complete")
    assert [a.reason for a in study.fold().trials[0].attempts] == ["first", "continue"]
    panel.press("q")
    assert panel.wait_until_ended() == 0
    study.wait_until_ended()
