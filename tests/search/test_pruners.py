"""What every pruner must do: prune the bad, spare the good, decide the same after a restart."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from htr_tui.search.store import SearchStore
from tests.search.bench import Bench

Make = Callable[..., Bench]
EPOCHS = 9

PRUNERS = [
    pytest.param({"median": {"n_startup_trials": 2}}, id="median"),
    pytest.param({"percentile": {"percentile": 50, "n_startup_trials": 2}}, id="percentile"),
    pytest.param({"hyperband": {"max_resource": EPOCHS}}, id="hyperband"),
    pytest.param({"threshold": {"lower": 2.5}}, id="threshold"),
    pytest.param({"wilcoxon": {"p_threshold": 0.2}}, id="wilcoxon"),
    pytest.param({"patient": {"patience": 1, "pruner": {"median": {"n_startup_trials": 2}}}}, id="patient"),
    pytest.param({"patient": {"patience": 1}}, id="patient-alone"),
]


def new_store(bench: Bench) -> SearchStore:
    store = bench.store()
    store.reconcile(bench.fold.trials)
    return store


def run(bench: Bench, store: SearchStore, curve: list[float], *, restarts: bool = False) -> tuple[int, int | None]:
    """A trial with such values by epoch; (its number, the epoch at which it was pruned or None)."""
    number = bench.created(store.ask())
    bench.started(number)
    for epoch, value in enumerate(curve, start=1):
        bench.reported(number, epoch, value)
        store.sync(bench.fold.trials[number])
        if restarts and epoch in (2, 5):
            store.close()
            store = new_store(bench)
        if store.should_prune(bench.fold.trials[number]):
            bench.ended(number, "pruned")
            store.sync(bench.fold.trials[number])
            return number, epoch
    bench.ended(number, "complete", [curve[-1]])
    store.sync(bench.fold.trials[number])
    return number, None


def rising(top: float) -> list[float]:
    return [top * epoch / EPOCHS + 3 for epoch in range(1, EPOCHS + 1)]


def falling() -> list[float]:
    return [3 - epoch * 0.3 for epoch in range(EPOCHS)]


def make(make_bench: Make, pruner: dict[str, Any], sign: float = 1.0) -> Bench:
    spec = {"sampler": {"random": {"seed": 1}}, "pruner": pruner, "space": {"x": {"float": [0, 1]}}}
    return make_bench(spec, ("maximize",) if sign > 0 else ("minimize",))


@pytest.mark.parametrize("pruner", PRUNERS)
def test_the_bad_are_pruned_and_the_best_are_not(make_bench: Make, pruner: dict[str, Any]) -> None:
    bench = make(make_bench, pruner)
    store = new_store(bench)
    for top in (9.0, 10.0, 11.0, 12.0, 13.0):
        assert run(bench, store, rising(top))[1] is None
    ends = [run(bench, store, falling())[1] for _ in range(4)]
    assert any(end is not None and end < EPOCHS for end in ends), ends
    assert [t.state for t in bench.fold.trials.values()] == [
        {"COMPLETE": "complete", "PRUNED": "pruned"}[t.state.name] for t in bench.frozen()
    ]


@pytest.mark.parametrize("pruner", PRUNERS)
def test_restarts_and_a_lost_database_change_no_decision(make_bench: Make, pruner: dict[str, Any]) -> None:
    curves = [rising(9), rising(12), falling(), rising(3), falling(), rising(1)]
    decisions = []
    for accident in (False, True):
        bench = make(make_bench, pruner)
        store = new_store(bench)
        found = []
        for index, curve in enumerate(curves):
            if accident and index in (3, 5):
                store.close()
                for path in bench.path.parent.glob("optuna.db*"):
                    path.unlink()
                store = new_store(bench)
            found.append(run(bench, store, curve, restarts=accident)[1])
            store = new_store(bench) if accident else store
        decisions.append(found)
    assert decisions[0] == decisions[1]


@pytest.mark.parametrize("pruner", PRUNERS)
def test_no_number_and_no_history_prune_nothing(make_bench: Make, pruner: dict[str, Any]) -> None:
    bench = make(make_bench, pruner)
    store = new_store(bench)
    assert run(bench, store, [math.nan] * 4)[1] is None
    for top in (9.0, 10.0, 11.0):
        run(bench, store, rising(top))
    number = bench.created(store.ask())
    assert store.should_prune(bench.fold.trials[number]) is False
    bench.started(number)
    bench.reported(number, 1, 4.0)
    bench.reported(number, 2, math.nan)
    store.sync(bench.fold.trials[number])
    assert store.should_prune(bench.fold.trials[number]) is False


def test_threshold_is_in_the_objective_s_unit(make_bench: Make) -> None:
    bench = make(make_bench, {"threshold": {"upper": 5, "n_warmup_steps": 3}}, sign=-1)
    store = new_store(bench)
    assert run(bench, store, [9, 9, 4, 4.9, 5.0, 5.1, 1])[1] == 6


def test_patience_spares_who_gets_better(make_bench: Make) -> None:
    bench = make(make_bench, {"patient": {"patience": 2, "min_delta": 0.5}}, sign=-1)
    store = new_store(bench)
    assert run(bench, store, [9, 8, 7, 6, 5, 4, 3])[1] is None
    assert run(bench, store, [3, 4, 5, 6, 7])[1] == 4
    assert run(bench, store, [3, 3.1, 3.2, 3.3, 3.4])[1] is None  # not worse by more than min_delta


def test_hyperband_remembers_its_rungs_in_the_journal(make_bench: Make) -> None:
    """The marks that Optuna left live are those that are worked out when its database is gone."""
    bench = make(make_bench, {"hyperband": {"max_resource": EPOCHS}})
    store = new_store(bench)
    for curve in (rising(9), rising(12), falling(), rising(3), falling(), rising(15)):
        run(bench, store, curve)
    before = [t.system_attrs for t in bench.frozen()]
    assert any("completed_rung_0" in marks for marks in before)
    store.close()
    bench.path.unlink()
    new_store(bench)
    assert [t.system_attrs for t in bench.frozen()] == before
