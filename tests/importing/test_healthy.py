"""No false alarm: real samplers and pruners on a problem that can be solved leave nothing to complain about."""

from __future__ import annotations

import math
import random

import optuna
import pytest
from optuna.storages import InMemoryStorage

from htr_tui.diagnosis.study import diagnose
from htr_tui.importing.journal_lines import study_records
from htr_tui.importing.optuna_storage import Opened
from htr_tui.importing.optuna_trials import read_study
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import ForeignSource
from htr_tui.search.database import quiet

STEPS = 12


def train(trial: optuna.Trial, rng: random.Random) -> float:
    """Converges within its steps; best inside of every range; one trial in sixty crashes."""
    rate = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    width = trial.suggest_int("width", 8, 128)
    drop = trial.suggest_float("dropout", 0.0, 0.9)
    kind = trial.suggest_categorical("kind", ["relu", "gelu"])
    if rng.random() < 1 / 60:
        raise ArithmeticError("diverged")
    best = 1.0 - abs(math.log10(rate) + 3) / 4 - abs(width - 60) / 200 - abs(drop - 0.4) / 3 + (kind == "gelu") / 20
    for step in range(1, STEPS + 1):
        trial.report(best * (1 - math.exp(-step / 2)) + rng.gauss(0, 0.003), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return best + rng.gauss(0, 0.003)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_healthy_studies(sampler: str, seed: int) -> None:
    rng = random.Random(seed)
    with quiet():
        storage = InMemoryStorage()
        study = optuna.create_study(
            storage=storage, study_name="s", direction="maximize", pruner=optuna.pruners.MedianPruner(n_warmup_steps=2),
            sampler=optuna.samplers.TPESampler(seed=seed) if sampler == "tpe" else optuna.samplers.RandomSampler(seed),
        )  # fmt: skip
        study.optimize(lambda trial: train(trial, rng), n_trials=60, catch=(ArithmeticError,))
        found = read_study(Opened(storage, "in memory"), "s")
    fold = StudyFold()
    now = max(t.ended or 0.0 for t in found.trials)
    fold.apply_all(study_records(found, "s", ForeignSource("u", "optuna", "s"), now))
    assert fold.counts["complete"] > 10
    assert fold.counts["pruned"] > 0
    assert [d for d in diagnose(fold, now) if d.severity != "info"] == []
