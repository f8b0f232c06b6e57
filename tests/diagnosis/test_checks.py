"""Every finding: a study that has it, with its numbers in the words, and one beside it that has not."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from typing import Any

import pytest

from htr_tui.diagnosis.diagnosis import Diagnosis
from htr_tui.diagnosis.parameters import numeric_ranges, wider
from htr_tui.diagnosis.study import diagnose
from tests.diagnosis.studies import BEGIN, NOW, Made

LOG_LR = {"lr": {"float": [1e-5, 1e-2], "log": True}}


def found(made: Made, *, is_supervised: bool = False) -> dict[str, Diagnosis]:
    listed = diagnose(made.fold, NOW, is_supervised=is_supervised)
    assert len({(d.code, d.title) for d in listed}) == len(listed)
    for diagnosis in listed:
        assert diagnosis.text.endswith(".")
        assert diagnosis.remedy
        assert not diagnosis.remedy.endswith(".")
        assert set(diagnosis.trials) <= set(made.fold.trials)
        assert set(diagnosis.as_json()) == {"code", "severity", "title", "text", "trials", "remedy"}
    assert [d.severity for d in listed] == sorted((d.severity for d in listed), key=["error", "warning", "info"].index)
    return {d.code: d for d in listed}


def test_the_study_that_ran_for_days_and_produced_nothing() -> None:
    """28 pruned at step 1 before the metrics were there, 4 failed, 8 RUNNING for ever."""
    made = Made(imported="optuna (SQLite)").trials(28, "pruned", reported={1: 0.0}).trials(4, "failed")
    made.trials(8, "failed", category="lost", t=BEGIN)
    told = found(made)
    assert list(told) == ["nothing_complete", "pruned_without_metrics", "zombie", "failures"]
    assert "none of 40" in told["nothing_complete"].title
    assert "28 pruned, 4 failed, 8 not ended" in told["nothing_complete"].text
    assert "28 of 40 (70 %)" in told["pruned_without_metrics"].title
    assert "step 1" in told["pruned_without_metrics"].title
    assert "before they were there" in told["pruned_without_metrics"].text
    assert "8 trials RUNNING for ever" in told["zombie"].title
    assert "2026-" in told["zombie"].text or "2027-" in told["zombie"].text
    assert "10 days old" in told["zombie"].text
    assert told["zombie"].trials == tuple(range(32, 40))
    assert "4 of 32" in told["failures"].title


@pytest.mark.parametrize("seen", [{1: math.nan}, {}, {1: 0.0}])
def test_pruned_without_metrics_has_many_faces(seen: dict[int, float]) -> None:
    assert "pruned_without_metrics" in found(Made().trials(6, "pruned", reported=seen).trials(20, value=1.0))


def test_pruning_that_did_its_work_is_not_blamed() -> None:
    """Diverged trials look alike too; the complete ones differ at that step, so the pruner could see."""
    made = Made()
    for number in range(20):
        made.trial(value=number / 7, reported={1: number / 7, 2: 1.0})
    made.trials(8, "pruned", reported={1: 0.1})
    assert found(made) == {}


def test_everything_pruned_at_one_step_with_sound_values() -> None:
    made = Made()
    for number in range(9):
        made.trial("pruned", reported={3: number / 10})
    made.trial(value=1.0)
    told = found(made)["pruned_at_one_step"]
    assert "step 3" in told.title
    assert "from 0 to 0.8" in told.text
    assert "n_warmup_steps" in told.remedy
    spread = Made().trials(3, value=1.0)
    for number in range(9):
        spread.trial("pruned", reported={number % 4: number / 10})
    assert "pruned_at_one_step" not in found(spread)


def test_trials_that_may_still_run_there_or_lost_their_supervisor_here() -> None:
    assert found(Made(imported="mlflow").trials(1, "running"))["running_there"].severity == "info"
    own = Made().trials(2, "running")
    assert "htr-tui run made" in found(own)["zombie"].remedy
    assert found(own, is_supervised=True) == {}
    assert "set_terminated" in found(Made(imported="mlflow").trials(1, "failed", category="lost"))["zombie"].remedy


def test_lost_attempts_of_our_own_are_failures_not_zombies() -> None:
    told = found(Made().trials(5, "failed", category="lost"))
    assert "zombie" not in told
    assert "retries" in told["failures"].remedy


def test_nothing_complete_waits_for_a_few() -> None:
    assert found(Made().trials(2, "failed")) == {}
    assert found(Made().trials(3, "failed"), is_supervised=True)["nothing_complete"].severity == "warning"
    assert found(Made().trials(3, "failed"))["nothing_complete"].severity == "error"


def test_a_pruner_is_named_only_where_one_has_pruned() -> None:
    assert "pruner" not in found(Made().trials(3, "failed"))["nothing_complete"].remedy
    assert "pruner" in found(Made().trials(3, "pruned"))["nothing_complete"].remedy


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_complete_without_a_value(value: float | None) -> None:
    assert found(Made().trials(2, value=value))["no_value"].severity == "error"
    assert found(Made().trials(1, value=value).trials(1, value=1.0))["no_value"].severity == "warning"


def test_no_trial_keeps_the_constraints() -> None:
    told = found(Made().trials(4, value=1.0, constraints=(2.0,)))["nothing_feasible"]
    assert "peak_gpu_bytes < 8e9: 4 of 4" in told.text
    assert "nothing_feasible" not in found(Made().trials(4, value=1.0, constraints=(2.0,)).trials(1, value=1.0))


def test_equal_values() -> None:
    assert "0.25 in every trial" in found(Made().trials(6, value=0.25))["values_equal"].title
    mostly = Made().trials(9, value=0.0).trials(1, value=1.0)
    assert "9 of 10" in found(mostly)["values_mostly_equal"].title
    several = Made(directions=("maximize", "minimize"))
    for number in range(6):
        several.trial(value=(number / 3, 7.0))
    assert "size is 7" in found(several)["values_equal"].title
    assert found(Made().trials(4, value=1.0)) == {}


def test_failures_by_category() -> None:
    made = Made().trials(20, value=1.0).trials(3, "failed", category="gpu_oom").trials(1, "failed")
    told = found(Made().trials(4, value=1.0).trials(3, "failed", category="gpu_oom").trials(1, "failed"))["failures"]
    assert "3 gpu_oom, 1 unknown" in told.text
    assert "4 of 8 (50 %)" in told.title
    assert "batch" in told.remedy
    assert found(made)["failures"].severity == "warning"
    assert "failures" not in found(Made().trials(100, value=1.0).trials(5, "failed"))


def searched(space: dict[str, Any], count: int, best: Any, rng: random.Random) -> Made:
    """Random trials, better the nearer a parameter is to `best` on the scale of its range."""
    made = Made(space=space)
    for _ in range(count):
        params: dict[str, float] = {}
        for name, form in space.items():
            low, high = form.get("float") or form["int"]
            if "int" in form:
                params[name] = rng.randint(low, high)
            elif form.get("log"):
                params[name] = math.exp(rng.uniform(math.log(low), math.log(high)))
            else:
                params[name] = rng.uniform(low, high)
        name = next(iter(space))
        logs = [math.log(params[name]), math.log(best)] if space[name].get("log") else [params[name], best]
        made.trial(value=-abs(logs[0] - logs[1]), params=params)
    return made


def test_the_best_at_a_bound_of_a_logarithmic_range() -> None:
    told = found(searched(LOG_LR, 120, 1e-2, random.Random(1)))["edge"]
    assert told.severity == "warning"
    assert "lr near its highest value" in told.title
    assert "logarithmic" in told.text
    assert "{float: [1e-05, 0.1], log: true}" in told.remedy


def test_the_best_at_a_bound_of_whole_numbers() -> None:
    told = found(searched({"depth": {"int": [2, 8]}}, 60, 2, random.Random(2)))["edge"]
    assert "depth near its lowest value" in told.title
    assert "{int: [0, 8]}" in told.remedy


def test_zero_is_where_some_parameters_end() -> None:
    told = found(searched({"dropout": {"float": [0.0, 0.5]}}, 120, 0.0, random.Random(3)))["edge"]
    assert told.severity == "info"
    assert "by its nature" in told.remedy


@pytest.mark.parametrize("seed", range(40))
def test_an_optimum_inside_is_no_edge(seed: int) -> None:
    space = {**LOG_LR, **{f"p{n}": {"float": [0.0, 1.0]} for n in range(8)}, "n": {"int": [1, 4]}}
    assert "edge" not in found(searched(space, 100, 1e-4, random.Random(seed)))


@pytest.mark.parametrize(
    ("form", "is_low", "text"),
    [
        ({"float": [1.0, 3.0]}, True, "{float: [0, 3]}"),
        ({"float": [-1.0, 3.0]}, True, "{float: [-3, 3]}"),
        ({"float": [0.5, 3.0], "step": 0.5}, False, "{float: [0.5, 4.5], step: 0.5}"),
        ({"float": [0.5, 3.0], "step": 0.5}, True, "{float: [0, 3], step: 0.5}"),
        ({"int": [16, 256], "log": True}, False, "{int: [16, 2560], log: true}"),
        ({"int": [16, 256], "log": True}, True, "{int: [1, 256], log: true}"),
        ({"int": [4, 12], "step": 4}, False, "{int: [4, 16], step: 4}"),
        ({"int": [4, 12], "step": 4}, True, "{int: [0, 12], step: 4}"),
    ],
)
def test_wider_ranges_are_valid_ones(form: dict[str, Any], is_low: bool, text: str) -> None:
    (bounds,) = numeric_ranges({"p": form})
    assert wider(bounds, is_low) == text


@pytest.mark.parametrize(
    "form",
    [None, 3, {}, {"float": "x"}, {"float": [1]}, {"float": [2, 1]}, {"float": [0, 1], "log": True},
     {"float": [math.nan, 1.0]}, {"int": [True, False]}, {"categorical": [1, 2]}, {"fixed": 3}],
)  # fmt: skip
def test_what_is_no_range_is_left_out(form: Any) -> None:
    assert numeric_ranges({"p": form}) == []


def test_duplicates() -> None:
    made = Made()
    for number in range(20):
        made.trial(value=number / 9, params={"a": number})
    for _ in range(3):
        made.trial(value=0.5, params={"a": 1, "b": 2})
    told = found(made)["duplicates"]
    assert "2 of 23" in told.title
    assert "trials 20, 21 and 22 all gave 0.5" in told.text
    noisy = Made()
    for number in range(4):
        noisy.trial(value=number, params={"a": 1})
    assert "values from 0 to 3" in found(noisy)["duplicates"].text


def test_what_a_pruned_trial_had_is_not_compared_with_results() -> None:
    made = Made()
    for number in range(20):
        made.trial(value=number / 9, params={"a": number})
    for _ in range(2):
        made.trial(value=0.5, params={"a": 99})
    for early in (0.1, 0.2):
        made.trial("pruned", value=early, params={"a": 99})
    assert "trials 20, 21, 22 and 23 all gave 0.5, where they came to the end" in found(made)["duplicates"].text
    pruned = Made()
    for number in range(20):
        pruned.trial(value=number / 9, params={"a": number})
    pruned.trials(3, "pruned", value=0.1, params={"a": 99})
    assert found(pruned)["duplicates"].text.endswith("trials 20, 21 and 22 are one of them.")


def test_few_whole_numbers_on_a_logarithmic_scale_are_not_crowded_by_chance() -> None:
    """A draw from the logarithm of 1 to 4 is 1 in half of the trials."""
    made = Made(space={"n": {"int": [1, 4], "log": True}})
    for number in range(20):
        made.trial(value=-float(number), params={"n": 1 if number < 4 else 3})
    assert "edge" not in found(made)


@pytest.mark.parametrize(
    ("form", "low", "high"),
    [
        ({"float": [0.0, 1.0]}, 0.1, 0.1),
        ({"float": [1e-5, 1.0], "log": True}, 0.1, 0.1),
        ({"int": [1, 4], "log": True}, 0.5, math.log(4.5 / 3.5) / math.log(9)),
        ({"int": [1, 4]}, 0.25, 0.25),
        ({"int": [0, 100]}, 11 / 101, 11 / 101),
        ({"float": [0.0, 1.0], "step": 0.5}, 1 / 3, 1 / 3),
    ],
)
def test_the_share_of_draws_at_an_edge(form: dict[str, Any], low: float, high: float) -> None:
    bounds = numeric_ranges({"p": form})[0]
    assert (bounds.edge_share(is_low=True), bounds.edge_share(is_low=False)) == pytest.approx((low, high))


def test_a_space_that_was_tried_whole_needs_no_more_trials() -> None:
    made = Made(space={"a": {"categorical": [1, 2]}, "b": {"int": [1, 3]}, "c": {"fixed": 1}})
    for a in (1, 2):
        for b in (1, 2, 3):
            made.trial(value=a + b / 7, params={"a": a, "b": b, "c": 1})
    assert found(made) == {}


def test_repeats_over_seeds_are_no_duplicates() -> None:
    made = Made()
    for lr in (0.1, 0.01, 0.001):
        for seed in (1, 2, 3):
            made.trial(value=-math.log(lr) + seed / 100, params={"lr": lr, "train.seed": seed})
    assert found(made) == {}


def test_chance_that_is_larger_than_the_settings() -> None:
    made, rng = Made(), random.Random(4)
    for lr in (0.1, 0.01, 0.001, 0.0001):
        for seed in range(5):
            made.trial(value=rng.gauss(0, 1), params={"lr": lr, "seed": seed})
    told = found(made)["seed_spread"]
    assert "4 settings" in told.text
    assert len(told.trials) == 20


def test_curves_that_still_rise_at_the_end() -> None:
    rising, done = Made(), Made()
    for number in range(12):
        curve = {step: number + step / 10 for step in range(1, 11)}
        rising.trial(value=number + 1.0, reported=curve)
        done.trial(value=number + 1.0, reported={s: min(v, number + 0.5) for s, v in curve.items()})
    assert "typically 22%" in found(rising)["still_improving"].text
    assert "promote made" in found(rising)["still_improving"].remedy
    assert found(done) == {}
    falling = Made(directions=("minimize",))
    for number in range(12):
        falling.trial(value=float(number), reported={step: number - step / 10 for step in range(1, 11)})
    assert "still_improving" in found(falling)


def test_a_search_that_hardly_began() -> None:
    few = Made(space=LOG_LR)
    for number in range(6):
        few.trial(value=number / 5, params={"lr": 10.0 ** -(2 + number / 2)})
    told = found(few)["random_phase"]
    assert "only 6 trials" in told.title
    assert "htr-tui run made" in told.remedy
    assert found(few, is_supervised=True) == {}
    wide = Made(space={f"p{n}": {"float": [0, 1]} for n in range(6)}, imported="optuna")
    for number in range(12):
        wide.trial(value=number / 5, params={f"p{n}": (number * 7 + n) % 12 / 12 for n in range(6)})
    assert "12 complete trials for 6 parameters" in found(wide)["few_trials"].title


def test_hostile_names_are_harmless_words() -> None:
    evil = "\x1b[31mlr[/bold]\u202e" + "x" * 500
    made = searched({evil: {"float": [1.0, 2.0]}}, 100, 2.0, random.Random(5))
    made.trials(20, "failed", category=evil)
    for diagnosis in diagnose(made.fold, NOW):
        assert (diagnosis.title + diagnosis.text + diagnosis.remedy).isprintable()
        assert len(diagnosis.text) < 1000


def test_no_trials_and_any_state_alone() -> None:
    assert found(Made()) == {}
    for state in ("queued", "running", "complete", "pruned", "failed", "stopped"):
        found(Made().trials(30, state))


def test_it_loads_nothing_heavy() -> None:
    script = (
        "import sys; import htr_tui.diagnosis.study;"
        "print([m for m in ('optuna', 'pydantic', 'pandas', 'numpy', 'mlflow', 'textual', 'yaml') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"
