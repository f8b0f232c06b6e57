"""The short version of `make chaos`: a few rounds that strike in every way, and the driver's own promises."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.plan import draw, tour
from tests.chaos.report import summary, write_json
from tests.chaos.rounds import Outcome
from tests.chaos.strikes import STRIKES, weights

SEED = 20


def test_a_round_follows_from_its_seed() -> None:
    assert draw(7, weights(), can_mount=True) == draw(7, weights(), can_mount=True)
    assert len({str(draw(seed, weights(), can_mount=True).strikes) for seed in range(20)}) == 20


@pytest.mark.parametrize("can_mount", [True, False])
def test_a_tour_strikes_in_every_way(can_mount: bool) -> None:
    rounds = tour(SEED, STRIKES, can_mount=can_mount)
    planned = {strike.kind for plan in rounds for strike in plan.strikes}
    assert planned == set(STRIKES) - (set() if can_mount else {"fill_disk"})
    assert {plan.tracking for plan in rounds} == {"none", "sqlite", "http"}
    assert any(plan.small_disk for plan in rounds) == can_mount


def test_a_failed_round_is_in_the_report(tmp_path: Path) -> None:
    outcome = Outcome(7, broken=["lost"], strikes=Counter({"freeze": 2}))
    figures = summary([outcome], 1.0)
    write_json(tmp_path / "chaos.json", figures, [outcome])
    told = json.loads((tmp_path / "chaos.json").read_text())
    assert told["failed_rounds"] == [7]
    assert told["failures"][0]["strikes"] == told["strikes"] == {"freeze": 2}


@pytest.mark.timeout(600)
def test_a_tour_loses_nothing(tmp_path: Path) -> None:
    report = tmp_path / "chaos.json"
    command = [
        sys.executable,
        "-m",
        "tests.chaos",
        "--tour",
        "--seed",
        str(SEED),
        "--workers",
        "2",
        "--json",
        str(report),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=580, cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads(report.read_text())
    assert figures["failed_rounds"] == []
    assert figures["strikes_in_all"] >= 10
