"""Asking, telling and pruning, and what a plain Optuna client sees of it."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from htr_tui.errors import StorageError
from tests.search.bench import Bench

Make = Callable[..., Bench]


def run_one(bench: Bench, store: Any, value: float) -> int:
    """One complete trial through journal and storage."""
    number = bench.created(store.ask())
    bench.started(number)
    store.sync(bench.fold.trials[number])
    for epoch in range(1, 4):
        bench.reported(number, epoch, value + epoch)
        store.sync(bench.fold.trials[number])
    bench.ended(number, "complete", [value + 3])
    store.sync(bench.fold.trials[number])
    return number


def test_a_plain_client_sees_the_same_trials(bench: Bench) -> None:
    store = bench.store()
    assert store.reconcile({}) == []
    for value in (1.0, 2.0, 3.0, 4.0):
        run_one(bench, store, value)
    store.close()
    frozen = bench.frozen()
    assert [t.number for t in frozen] == [0, 1, 2, 3]
    for trial in frozen:
        record = bench.fold.trials[trial.number]
        assert trial.params == record.params
        assert set(trial.params) == {"lr", "width", "norm", "epochs"}
        assert trial.params["epochs"] == 6
        assert trial.values == [record.value]
        assert trial.intermediate_values == record.reported
        assert trial.user_attrs == {"attempts": 1}
    with closing(sqlite3.connect(bench.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("state", "optuna_state", "values"),
    [
        ("complete", "COMPLETE", [3.5]),
        ("pruned", "PRUNED", [2.0]),
        ("failed", "FAIL", None),
        ("stopped", "WAITING", None),
    ],
)
def test_every_end_has_its_state(bench: Bench, state: str, optuna_state: str, values: list[float] | None) -> None:
    store = bench.store()
    store.reconcile({})
    number = bench.created(store.ask())
    bench.started(number)
    bench.reported(number, 1, 1.0)
    bench.reported(number, 2, 2.0)
    bench.ended(number, state, [3.5] if state == "complete" else None, "gpu_oom" if state == "failed" else None)
    for _ in range(2):
        store.sync(bench.fold.trials[number])
    (trial,) = bench.frozen()
    assert (trial.state.name, trial.values) == (optuna_state, values)
    assert trial.user_attrs.get("category") == ("gpu_oom" if state == "failed" else None)


def test_nan_is_a_failure_not_a_value(bench: Bench) -> None:
    store = bench.store()
    store.reconcile({})
    number = bench.created(store.ask())
    bench.started(number)
    bench.reported(number, 1, math.nan)
    bench.ended(number, "complete", [math.nan])
    store.sync(bench.fold.trials[number])
    store.sync(bench.fold.trials[number])
    assert bench.frozen()[0].state.name == "FAIL"


def test_a_stopped_trial_is_never_handed_out_and_goes_on_as_itself(bench: Bench) -> None:
    store = bench.store()
    store.reconcile({})
    first = bench.created(store.ask())
    bench.started(first)
    bench.reported(first, 2, 5.0)
    bench.ended(first, "stopped")
    store.sync(bench.fold.trials[first])
    second = bench.created(store.ask())
    assert second == 1
    assert [t.state.name for t in bench.frozen()] == ["WAITING", "RUNNING"]
    bench.log("trial_queued", trial=first, reason="continue")
    store.sync(bench.fold.trials[first])
    bench.started(first)
    bench.reported(first, 3, 6.0)
    bench.ended(first, "complete", [6.0])
    store.sync(bench.fold.trials[first])
    trial = bench.frozen()[first]
    assert (trial.state.name, trial.values, trial.intermediate_values) == ("COMPLETE", [6.0], {2: 5.0, 3: 6.0})
    assert trial.params == bench.fold.trials[first].params


def test_sequential_studies_with_a_seed_are_the_same_whatever_restarts(make_bench: Make) -> None:
    def params(restart: bool) -> list[dict[str, Any]]:
        bench = make_bench()
        store = bench.store()
        store.reconcile({})
        for value in range(6):
            run_one(bench, store, float(value))
            if restart:
                store.close()
                store = bench.store()
                assert store.reconcile(bench.fold.trials) == []
        return [t.params for t in bench.fold.trials.values()]

    straight, restarted = params(False), params(True)
    assert straight == restarted
    assert len({p["lr"] for p in straight}) == 6


def test_random_without_a_seed_differs(make_bench: Make) -> None:
    spec = {"sampler": "random", "space": {"x": {"float": [0, 1]}}}
    drawn = []
    for _ in range(2):
        store = make_bench(spec).store()
        store.reconcile({})
        asked = store.ask()
        assert asked is not None
        drawn.append(asked.params["x"])
    assert drawn[0] != drawn[1]


def test_parallel_asks_differ(bench: Bench) -> None:
    store = bench.store()
    store.reconcile({})
    for _ in range(5):
        bench.created(store.ask())
    assert sorted(bench.fold.trials) == [0, 1, 2, 3, 4]
    assert len({t.params["lr"] for t in bench.fold.trials.values()}) == 5


def test_experiments_in_their_order(make_bench: Make) -> None:
    experiments = [
        {"name": "a", "params": {"x": 1, "mode": "fast"}},
        {"name": "b", "params": {"x": 2.5, "extra": True}},
    ]
    bench = make_bench({"experiments": experiments})
    store = bench.store()
    store.reconcile({})
    bench.created(store.ask())
    store.close()
    store = bench.store()
    store.reconcile(bench.fold.trials)
    bench.created(store.ask())
    assert store.ask() is None
    assert [(t.label, t.params) for t in bench.fold.trials.values()] == [
        ("a", {"x": 1, "mode": "fast"}),
        ("b", {"x": 2.5, "extra": True}),
    ]
    assert [(t.user_attrs["label"], t.params) for t in bench.frozen()] == [
        ("a", {"x": 1, "mode": "fast"}),
        ("b", {"x": 2.5, "extra": True}),
    ]


def test_a_grid_is_walked_once_whatever_restarts(make_bench: Make) -> None:
    spec = {
        "sampler": {"grid": {"points": 2}},
        "space": {
            "lr": {"float": [0.01, 1.0], "log": True},
            "n": {"int": [1, 3]},
            "f": {"float": [0, 0.3], "step": 0.1},
        },
    }
    bench = make_bench(spec)
    points = []
    store = bench.store()
    store.reconcile({})
    while (asked := store.ask()) is not None:
        points.append(tuple(asked.params.values()))
        bench.created(asked)
        if asked.number % 5 == 0:
            store.close()
            store = bench.store()
            assert store.reconcile(bench.fold.trials) == []
    assert len(points) == len(set(points)) == 2 * 3 * 4
    assert {p[2] for p in points} == {0.0, 0.1, 0.2, 0.3}
    assert [tuple(t.params.values()) for t in bench.frozen()] == points


def test_several_objectives(make_bench: Make) -> None:
    bench = make_bench(directions=("maximize", "minimize"))
    store = bench.store()
    store.reconcile({})
    number = bench.created(store.ask())
    bench.started(number)
    bench.ended(number, "complete", [1.0, math.inf])
    store.sync(bench.fold.trials[number])
    assert bench.frozen()[0].values == [1.0, math.inf]
    assert store.should_prune(bench.fold.trials[number]) is False


def test_the_median_prunes_only_what_is_worse(make_bench: Make) -> None:
    spec = {
        "sampler": {"random": {"seed": 1}},
        "pruner": {"median": {"n_startup_trials": 2, "n_warmup_steps": 2}},
        "space": {"x": {"float": [0, 1]}},
    }
    bench = make_bench(spec)
    store = bench.store()
    store.reconcile({})
    run_one(bench, store, 10.0)
    run_one(bench, store, 20.0)
    number = bench.created(store.ask())
    bench.started(number)

    def decide(epoch: int, value: float) -> bool:
        bench.reported(number, epoch, value)
        store.sync(bench.fold.trials[number])
        return store.should_prune(bench.fold.trials[number])

    assert decide(1, 0.0) is False  # warm-up
    assert decide(2, 30.0) is False
    bench.ended(number, "complete", [30.0])
    store.sync(bench.fold.trials[number])
    number = bench.created(store.ask())
    bench.started(number)
    assert decide(2, math.nan) is False  # not the pruner's business
    assert decide(3, 0.5) is True


def test_pruning_forgets_epochs_of_an_earlier_attempt(make_bench: Make) -> None:
    spec = {"sampler": "random", "pruner": {"median": {"n_startup_trials": 1}}, "space": {"x": {"float": [0, 1]}}}
    bench = make_bench(spec)
    store = bench.store()
    store.reconcile({})
    run_one(bench, store, 10.0)
    number = bench.created(store.ask())
    bench.started(number)
    bench.reported(number, 1, 1.0)
    bench.reported(number, 2, 99.0)
    bench.log("attempt_ended", trial=number, attempt=1, state="failed", category="gpu_oom")
    bench.log("trial_queued", trial=number, reason="retry", fresh=True)
    bench.started(number)
    bench.reported(number, 1, 1.0)
    store.sync(bench.fold.trials[number])
    assert store.should_prune(bench.fold.trials[number]) is True
    bench.ended(number, "pruned")
    store.sync(bench.fold.trials[number])
    assert bench.frozen()[number].values == [1.0]
    assert bench.frozen()[number].intermediate_values == {1: 1.0}  # what samplers learn of it
    bench.path.unlink()
    bench.store().reconcile(bench.fold.trials)
    assert bench.frozen()[number].intermediate_values == {1: 1.0}


def test_garbage_steps_are_left_out(bench: Bench) -> None:
    store = bench.store()
    store.reconcile({})
    number = bench.created(store.ask())
    bench.started(number)
    bench.reported(number, 10**30, 1.0)
    bench.reported(number, -1, 1.0)
    store.sync(bench.fold.trials[number])
    assert store.should_prune(bench.fold.trials[number]) is False
    assert bench.frozen()[0].intermediate_values == {}


def test_nothing_before_reconcile(bench: Bench) -> None:
    store = bench.store()
    with pytest.raises(StorageError, match="not connected"):
        store.ask()
    store.reconcile({})
    bench.created(store.ask())
    store.close()
    again = bench.store()
    again.connect()
    with pytest.raises(StorageError, match="not compared with the journal"):
        again.ask()
