"""The panel shows an imported study like any other; hostile text in it stays text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from htr_tui.importing.folder import write_study
from htr_tui.importing.foreign import EpochValues, ForeignStudy, ForeignTrial
from htr_tui.journal.records import ForeignSource
from tests.importing.picture import DATA, read
from tests.panel.driving import open_panel

NOW = 1_800_000_000.0


async def test_the_story_in_the_panel(tmp_path: Path) -> None:
    for name in ("HPO Loss Weights", "healthy"):
        study, kind = read(str(DATA / "optuna-3.1.db"), name)
        write_study(tmp_path / "runs", study, ForeignSource("sqlite:////x.db", kind, name), None, NOW)
    async with open_panel(tmp_path) as driver:
        await driver.see("HPO-Loss-Weights", "healthy", "read-only")
    async with open_panel(tmp_path, "HPO-Loss-Weights") as driver:
        await driver.see("pixel", "pruned", "lost")


@pytest.mark.parametrize("state", ["complete", "failed", "running"])
async def test_hostile_text_in_the_panel(tmp_path: Path, state: str) -> None:
    evil = "\x1b[31mred[/bold]\x1b]0;owned\x07"
    trial = ForeignTrial(
        0, state, {evil: evil, "n": 3}, label=evil, started=NOW - 60, last_seen=NOW - 1, values=(1.0,),  # type: ignore[arg-type]
        reported={1: 0.5}, metrics=[EpochValues(1, 0.0, {evil: 0.5})], title=evil, category=evil, remarks=[evil],
    )  # fmt: skip
    study = ForeignStudy(evil, ("maximize",), (evil,), [trial], space={evil: {"categorical": [evil]}}, warnings=[evil])
    write_study(tmp_path / "runs", study, ForeignSource(evil, evil, evil), "evil", NOW)
    async with open_panel(tmp_path) as driver:
        await driver.see("evil")
        await driver.press("enter")
        await driver.see(state)
        await driver.press("enter")
        await driver.pilot.pause()
        assert re.search("[\x00-\x08\x0b-\x1f]", driver.text()) is None
