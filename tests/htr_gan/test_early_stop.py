"""Patience, early stopping and the memory of both."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest

from htr_gan.config.train_rules import EarlyStopConfig, StopRule
from htr_gan.expression import parse_expression
from htr_gan.files import to_plain
from htr_gan.training.callbacks.early_stopping import EarlyStopping, stopped_because
from htr_gan.training.patience import Patience
from htr_gan.training.progress import Progress

CER = StopRule(metric="val/cer", mode="min", min_delta=0.01, patience=2)
PSNR = StopRule(metric="val/psnr", patience=3)


def run(
    plan: EarlyStopConfig, epochs: list[dict[str, float]], progress: Progress | None = None, of: int = 100
) -> tuple[Progress, int, list[str]]:
    """What training does with these epochs: progress, the epoch it ended with, what was told."""
    progress = progress or Progress()
    told: list[str] = []
    callback = EarlyStopping(progress, plan, of, told.append)
    model = SimpleNamespace(stop_training=False)
    callback.set_model(model)
    for number, values in enumerate(epochs):
        progress.finish_epoch(values, 0.0)
        callback.on_epoch_end(number)
        if model.stop_training:
            break
    return progress, progress.epochs_done, told


def cer(*values: float) -> list[dict[str, float]]:
    return [{"val/cer": value, "val/psnr": 20.0 + number} for number, value in enumerate(values)]


def test_it_stops_when_nothing_got_better_for_the_patience() -> None:
    progress, last, told = run(EarlyStopConfig(rules=(CER,)), cer(0.5, 0.4, 0.395, 0.393, 0.1))
    assert last == 4, "0.005 is less than min_delta"
    assert told == ["val/cer no better than 0.4 for 2 epochs"]
    assert stopped_because(progress, EarlyStopConfig(rules=(CER,))) == told[0]


def test_an_improvement_starts_the_patience_over() -> None:
    _, last, told = run(EarlyStopConfig(rules=(CER,)), cer(0.5, 0.5, 0.4, 0.4, 0.3, 0.3))
    assert (last, told) == (6, [])


@pytest.mark.parametrize(("when", "last"), [("any", 3), ("all", 6)])
def test_all_rules_or_any(when: Any, last: int) -> None:
    epochs = [{"val/cer": 0.5, "val/psnr": psnr} for psnr in (20.0, 21.0, 22.0, 22.0, 22.0, 22.0, 22.0)]
    assert run(EarlyStopConfig(rules=(CER, PSNR), when=when), epochs)[1] == last


def test_without_rules_and_at_the_last_epoch_nothing_stops() -> None:
    assert run(EarlyStopConfig(), cer(*[0.5] * 9))[1:] == (9, [])
    progress, last, told = run(EarlyStopConfig(rules=(CER,)), cer(0.5, 0.5, 0.5), of=3)
    assert (last, told) == (3, [])
    assert not stopped_because(progress, EarlyStopConfig(rules=(CER,)))


def test_a_formula_and_values_that_are_no_numbers() -> None:
    rule = StopRule(metric="val/psnr - 100 * val/cer", patience=2)
    nan = float("nan")
    progress, last, told = run(EarlyStopConfig(rules=(rule,)), cer(nan, nan, 0.1))
    assert last == 2
    assert told == ["val/psnr - 100 * val/cer never a number for 2 epochs"]
    json.dumps(progress.early_stop, allow_nan=False)
    patience = Patience(parse_expression("x"), "max", 0.0, 3)
    for value in (1.0, nan, 2.0, float("inf")):
        patience.see({"x": value})
    assert (patience.best, patience.waited) == (2.0, 1)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_resumed_run_remembers(cut: int) -> None:
    plan, epochs = EarlyStopConfig(rules=(CER, PSNR), when="any"), cer(0.5, 0.4, 0.41, 0.42, 0.43)
    whole = run(plan, epochs)
    first, _, _ = run(plan, epochs[:cut])
    record = json.loads(json.dumps(first.record()))
    again = run(plan, epochs[cut:], Progress.from_record(record))
    assert again[1:] == whole[1:]
    assert again[0].record() == whole[0].record()


def test_other_rules_forget_what_was_waited_for() -> None:
    plan = EarlyStopConfig(rules=(CER,))
    progress, _, _ = run(plan, cer(0.5, 0.5, 0.5))
    assert stopped_because(progress, plan)
    patient = EarlyStopConfig(rules=(CER.model_copy(update={"patience": 3}),))
    assert not stopped_because(progress, patient), "a run that was stopped goes on when its rules change"
    assert run(patient, cer(0.5, 0.5, 0.5, 0.5), progress)[1] == 7


def test_progress_of_earlier_releases_is_read() -> None:
    record = Progress(epochs_done=2).record()
    del record["early_stop"], record["plateau"]
    assert Progress.from_record(record) == Progress(epochs_done=2)
    del record["history"]
    with pytest.raises(KeyError):
        Progress.from_record(record)


def test_values_that_are_no_numbers_survive_the_disk() -> None:
    progress = Progress()
    progress.finish_epoch({"val/psnr": float("nan"), "loss/total": float("inf")}, float("nan"))
    back = Progress.from_record(json.loads(json.dumps(to_plain(progress.record()), allow_nan=False)))
    assert math.isnan(back.history[0]["values"]["val/psnr"])
    assert back.history[0]["values"]["loss/total"] == float("inf")


def test_a_score_that_is_no_number_is_never_the_best() -> None:
    progress = Progress()
    for score in (float("nan"), 1.0, float("nan"), float("inf"), 0.5):
        progress.finish_epoch({}, score)
    assert (progress.best_epoch, progress.best_score) == (2, 1.0)
