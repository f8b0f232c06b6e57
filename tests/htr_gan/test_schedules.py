"""Learning rates as functions of the step."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from htr_gan.config.train_rules import PlateauConfig
from htr_gan.config.train_section import TrainConfig
from htr_gan.events import EventLog
from htr_gan.training.callbacks.plateau import PlateauRate
from htr_gan.training.progress import Progress
from htr_gan.training.schedule import Plateau, new_schedule

PLAN = TrainConfig(epochs=10, steps=4, lr=0.1, warmup=0.1)


def rates(plan: TrainConfig) -> list[float]:
    schedule = new_schedule(plan)
    return [float(schedule(step)) for step in range(plan.epochs * plan.steps)]


def test_cosine_rises_and_falls_to_its_end() -> None:
    plan = PLAN.model_copy(update={"final_lr": 0.25})
    found = rates(plan)
    assert found[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert all(later <= earlier for earlier, later in itertools.pairwise(found[4:]))
    middle = 0.1 * (0.25 + 0.75 * 0.5 * (1 + math.cos(math.pi * 0.5)))
    assert found[4 + 18] == pytest.approx(middle, rel=1e-5)
    assert float(new_schedule(plan)(40)) == pytest.approx(0.025)


def test_steps_and_constant_keep_the_warm_up() -> None:
    found = rates(PLAN.model_copy(update={"schedule": "step", "step_epochs": 3, "step_factor": 0.5}))
    assert found[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert found[11:13] == pytest.approx([0.1, 0.05])
    assert found[36] == pytest.approx(0.0125)
    assert rates(PLAN.model_copy(update={"schedule": "constant"}))[3:] == pytest.approx([0.1] * 37)
    at_once = PLAN.model_copy(update={"schedule": "constant", "warmup": 0.0})
    assert rates(at_once) == pytest.approx([0.1] * 40)


def follow(plan: TrainConfig, losses: list[float], progress: Progress, folder: Path) -> tuple[list[float], Plateau]:
    """The peak rate after each epoch."""
    schedule = new_schedule(plan)
    assert isinstance(schedule, Plateau)
    callback = PlateauRate(progress, schedule, plan, EventLog(folder / "events.jsonl"))
    found = []
    for number, loss in enumerate(losses):
        progress.finish_epoch({"loss/total": loss}, 0.0)
        callback.on_epoch_end(number)
        found.append(float(schedule(100)))
    return found, schedule


def test_a_plateau_lowers_the_rate_and_no_further_than_its_limit(tmp_path: Path) -> None:
    plateau = PlateauConfig(factor=0.5, patience=2, min_lr=0.03)
    plan = PLAN.model_copy(update={"schedule": "plateau", "plateau": plateau})
    losses = [3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    found, _ = follow(plan, losses, Progress(), tmp_path)
    assert found == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.03, 0.03, 0.03, 0.03, 0.03])
    notes = (tmp_path / "events.jsonl").read_text().splitlines()
    assert len(notes) == 2
    assert "learning rate lowered to 0.05" in notes[0]
    assert rates(plan)[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1]), "the warm-up comes first"


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_plateau_goes_on_where_it_was(tmp_path: Path, cut: int) -> None:
    plan = PLAN.model_copy(update={"schedule": "plateau", "plateau": PlateauConfig(factor=0.3, patience=2)})
    losses = [3.0, 2.0, 2.0, 2.5, 1.9, 1.95, 2.0]
    whole, _ = follow(plan, losses, Progress(), tmp_path)
    progress = Progress()
    before, _ = follow(plan, losses[:cut], progress, tmp_path)
    after, _ = follow(plan, losses[cut:], Progress.from_record(progress.record()), tmp_path)
    assert np.asarray(before + after).tobytes() == np.asarray(whole).tobytes()


def test_a_plateau_of_something_else_keeps_the_rate_but_not_the_best(tmp_path: Path) -> None:
    plan = PLAN.model_copy(update={"schedule": "plateau", "plateau": PlateauConfig(factor=0.5, patience=1)})
    progress = Progress()
    follow(plan, [1.0, 1.0], progress, tmp_path)
    other = PlateauConfig(metric="-loss/total", mode="max", factor=0.5, patience=1)
    found, _ = follow(plan.model_copy(update={"plateau": other}), [9.0, 9.0], progress, tmp_path)
    assert found == pytest.approx([0.05, 0.025])
