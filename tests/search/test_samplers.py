"""What every sampler must do: the same study whatever dies in the middle, in every kind of space."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import pytest

from htr_tui.errors import StorageError
from htr_tui.search.evolution import default_population, generations
from htr_tui.search.making import Wish
from htr_tui.search.store import SearchStore
from htr_tui.study.conditions import is_active
from htr_tui.study.pinned import pinned_parameters
from tests.search.bench import Bench

Make = Callable[..., Bench]
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="gp needs torch")

SAMPLERS = [
    pytest.param({"tpe": {"seed": 3, "n_startup_trials": 4}}, id="tpe"),
    pytest.param({"tpe": {"seed": 3, "n_startup_trials": 4, "multivariate": False}}, id="tpe-single"),
    pytest.param({"gp": {"seed": 3, "n_startup_trials": 4}}, id="gp", marks=needs_torch),
    pytest.param({"random": {"seed": 3}}, id="random"),
    pytest.param({"cmaes": {"seed": 3, "n_startup_trials": 2, "population_size": 3}}, id="cmaes"),
    pytest.param({"nsga2": {"seed": 3, "population_size": 3}}, id="nsga2"),
    pytest.param({"qmc": {"seed": 3}}, id="qmc"),
    pytest.param({"qmc": {"sequence": "halton", "scramble": False}}, id="qmc-halton"),
    pytest.param({"grid": {"points": 3}}, id="grid"),
]
LEARNING = [p for p in SAMPLERS if p.id in ("tpe", "tpe-single", "gp", "cmaes", "nsga2")]

PLAIN: dict[str, Any] = {
    "lr": {"float": [0.001, 1.0], "log": True},
    "width": {"int": [1, 9], "step": 2},
    "drop": {"float": [0, 0.5], "step": 0.1},
    "norm": {"categorical": ["batch", "layer"]},
    "epochs": 6,
}
CONDITIONAL: dict[str, Any] = {
    "lr": {"float": [0.001, 1.0], "log": True},
    "ctc.weight": {"float": [0.1, 2], "when": {"ctc": True}},
    "ctc": {"categorical": [True, False]},
    "layers": {"categorical": [[64], [64, 32], "auto"]},
    "share": {"int": [1, 4], "when": {"layers": [[64, 32], "auto"], "ctc": True}},
    "tied": {"fixed": [1, "two", [True]], "when": {"share": [2, 3]}},
    "width": {"int": [1, 8]},
}
SPACES = [pytest.param(PLAIN, id="plain"), pytest.param(CONDITIONAL, id="conditional")]
TRIALS = 13


def worth(params: dict[str, Any], number: int) -> tuple[str, float | None]:
    """How a trial ends: some fail, some are pruned, the others have a value from their parameters."""
    value = -abs(math.log10(params["lr"]) + 1.5) - abs(params["width"] - 4) / 4
    return {5: ("failed", None), 8: ("pruned", None)}.get(number, ("complete", value))


def finish(bench: Bench, store: SearchStore, number: int) -> None:
    state, value = worth(bench.fold.trials[number].params, number)
    bench.started(number)
    for epoch in (1, 2):
        bench.reported(number, epoch, -epoch if value is None else value - 1 / epoch)
    bench.ended(number, state, None if value is None else [value])
    store.sync(bench.fold.trials[number])


Accident = Callable[[Bench, SearchStore], SearchStore]


def restart(bench: Bench, store: SearchStore) -> SearchStore:
    """A new process."""
    store.close()
    fresh = bench.store()
    assert fresh.reconcile(bench.fold.trials) == []
    return fresh


def kill_before_the_journal(bench: Bench, store: SearchStore) -> SearchStore:
    """Optuna has the next trial, the journal has not."""
    if store.ask() is None:
        return store
    fresh = bench.store()
    for asked in fresh.reconcile(bench.fold.trials):
        bench.created(asked)
        finish(bench, fresh, asked.number)
    return fresh


def lose_the_database(bench: Bench, store: SearchStore) -> SearchStore:
    store.close()
    for path in bench.path.parent.glob("optuna.db*"):
        path.unlink()
    fresh = bench.store()
    assert fresh.reconcile(bench.fold.trials) == []
    return fresh


def live(bench: Bench, accidents: dict[int, Accident]) -> list[dict[str, Any]]:
    """A study in sequence, with accidents when it has so many trials; all parameters that were tried."""
    store = bench.store()
    store.reconcile({})
    waiting = dict(accidents)
    while len(bench.fold.trials) < TRIALS:
        if accident := waiting.pop(len(bench.fold.trials), None):
            store = accident(bench, store)
            continue
        asked = store.ask()
        if asked is None:
            break
        finish(bench, store, bench.created(asked))
    params = [t.params for t in bench.fold.trials.values()]
    assert [t.number for t in bench.frozen()] == list(range(len(params)))
    return params


def check_trial(bench: Bench, params: dict[str, Any]) -> None:
    space = bench.spec.space
    assert list(params) == [name for name in space if is_active(space[name], params)], params
    assert pinned_parameters(bench.spec, params) == params


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seeded_study_is_the_same_whatever_dies(
    make_bench: Make, sampler: dict[str, Any], space: dict[str, Any]
) -> None:
    spec = {"sampler": sampler, "space": space}
    straight = make_bench(spec)
    expected = live(straight, {})
    assert len(expected) == TRIALS
    for params in expected:
        check_trial(straight, params)
    assert len({str(p) for p in expected}) > TRIALS * 0.7
    accidents: dict[int, Accident] = {3: restart, 6: kill_before_the_journal, 8: restart, 10: lose_the_database}
    assert live(make_bench(spec), accidents) == expected


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_trials_side_by_side(make_bench: Make, sampler: dict[str, Any]) -> None:
    """Four at a time, ending in another order; then all is lost but the journal."""
    bench = make_bench({"sampler": sampler, "space": CONDITIONAL})
    store = bench.store()
    store.reconcile({})
    running: list[int] = []
    for step in range(14):
        if len(running) == 4:
            finish(bench, store, running.pop((3 * step) % 4))
        running.append(bench.created(store.ask()))
    for params in (t.params for t in bench.fold.trials.values()):
        check_trial(bench, params)
    assert len({str(t.params) for t in bench.fold.trials.values()}) > 9
    before = bench.seen()
    store = lose_the_database(bench, store)
    assert [t[:5] for t in bench.seen()] == [t[:5] for t in before]
    asked = store.ask()
    assert asked is not None
    check_trial(bench, asked.params)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_wished_trials(make_bench: Make, sampler: dict[str, Any]) -> None:
    """Given parameters stay, the others are chosen, and the search's own trials go on after them."""
    spec = {"sampler": sampler, "space": CONDITIONAL}
    bench = make_bench(spec)
    store = bench.store()
    store.reconcile({})
    given: list[dict[str, Any]] = [{"lr": 0.5}, {"share": 3}, {"layers": [64, 32], "ctc": False}, {}]
    for step in range(8):
        pinned = pinned_parameters(bench.spec, given[step // 2]) if step % 2 else None
        asked = store.ask(Wish(pinned, f"by hand {step}", "hand") if pinned is not None else None)
        finish(bench, store, bench.created(asked))
        trial = bench.fold.trials[step]
        check_trial(bench, trial.params)
        assert (trial.by, trial.label) == (("hand", f"by hand {step}") if step % 2 else (None, None))
        if pinned is not None:
            assert {name: trial.params[name] for name in pinned} == pinned
        if step == 3:
            assert trial.params["ctc"] is True
            assert trial.params["tied"] == [1, "two", [True]]
        store = restart(bench, store)
    assert bench.frozen()[5].user_attrs == {"attempts": 1, "label": "by hand 5", "by": "hand"}
    lone = make_bench(spec)
    if "grid" in sampler:
        drawn = [t.params for t in bench.fold.trials.values() if t.by is None]
        assert drawn == live(lone, {})[: len(drawn)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_wish_that_died_before_the_journal_is_wished_again(make_bench: Make, sampler: dict[str, Any]) -> None:
    bench = make_bench({"sampler": sampler, "space": PLAIN})
    store = bench.store()
    store.reconcile({})
    finish(bench, store, bench.created(store.ask()))
    wish = Wish({"lr": 0.25}, None, "hand")
    store.ask(wish)
    store = restart(bench, store)  # it is gone: the command that wished it is still there
    assert len(bench.frozen()) == 1
    asked = store.ask(wish)
    assert asked is not None
    assert (asked.number, asked.params["lr"], asked.by) == (1, 0.25, "hand")


@pytest.mark.parametrize("sampler", [p for p in SAMPLERS if p.id not in ("cmaes", "grid")])
def test_several_objectives_with_constraints(make_bench: Make, sampler: dict[str, Any]) -> None:
    bench = make_bench({"sampler": sampler, "space": PLAIN}, ("maximize", "minimize"))
    store = bench.store()
    store.reconcile({})
    for number in range(12):
        params = bench.fold.trials[bench.created(store.ask())].params
        bench.started(number)
        bench.log("attempt_ended", trial=number, attempt=1, state="complete")
        bench.log(
            "trial_ended", trial=number, state="complete", values=[params["lr"], params["width"]],
            constraints=[params["drop"] - 0.35, math.inf if number == 4 else -1.0],
        )  # fmt: skip
        store.sync(bench.fold.trials[number])
    frozen = bench.frozen()
    assert [t.system_attrs["constraints"] for t in frozen] == [list(t.constraints) for t in bench.fold.trials.values()]
    assert frozen[4].constraints == {"0": frozen[4].params["drop"] - 0.35, "1": math.inf}
    store = lose_the_database(bench, store)
    assert [t.system_attrs["constraints"] for t in bench.frozen()] == [t.system_attrs["constraints"] for t in frozen]
    assert store.ask() is not None


@pytest.mark.parametrize("sampler", [p for p in LEARNING if p.id != "tpe-single"])
def test_it_finds_better_points_than_at_first(make_bench: Make, sampler: dict[str, Any]) -> None:
    space = {"lr": {"float": [0.001, 1.0], "log": True}, "width": {"float": [1, 9]}}
    bench = make_bench({"sampler": sampler, "space": space})
    store = bench.store()
    store.reconcile({})
    while len(bench.fold.trials) < 30:
        finish(bench, store, bench.created(store.ask()))
    values = [t.value for t in bench.fold.trials.values() if t.value is not None]
    assert sum(values[-10:]) > sum(values[:10])


@pytest.mark.parametrize("sampler", [p for p in LEARNING if p.id in ("tpe", "gp", "nsga2")])
def test_it_learns_from_constraints(make_bench: Make, sampler: dict[str, Any]) -> None:
    """The best values are forbidden: later trials break the constraint by less than the first."""
    bench = make_bench({"sampler": sampler, "space": {"x": {"float": [0, 1]}, "y": {"float": [0, 1]}}})
    store = bench.store()
    store.reconcile({})
    while len(bench.fold.trials) < 30:
        number = bench.created(store.ask())
        x = bench.fold.trials[number].params["x"]
        bench.started(number)
        bench.log("attempt_ended", trial=number, attempt=1, state="complete")
        bench.log("trial_ended", trial=number, state="complete", values=[x], constraints=[x - 0.2])
        store.sync(bench.fold.trials[number])
    broken = [max(0.0, *t.constraints) for t in bench.fold.trials.values()]
    assert sum(broken[-10:]) < sum(broken[:10]) / 2


def test_generations_are_found_again_as_they_were(make_bench: Make) -> None:
    """What Optuna noted live is what the journal alone says, also for trials side by side."""
    for sampler, key in (
        ({"nsga2": {"seed": 1, "population_size": 3}}, "NSGAIISampler:generation"),
        ({"cmaes": {"seed": 1, "population_size": 3, "n_startup_trials": 2}}, "cma:generation"),
    ):
        bench = make_bench({"sampler": sampler, "space": PLAIN})
        store = bench.store()
        store.reconcile({})
        running: list[int] = []
        for step in range(24):
            if len(running) == 3:
                finish(bench, store, running.pop(step % 3))
            running.append(bench.created(store.ask()))
        noted = {t.number: t.system_attrs[key] for t in bench.frozen() if key in t.system_attrs}
        assert max(noted.values()) >= 3
        assert generations(bench.fold.trials, 3, startup=2 if "cmaes" in sampler else 0) == noted


def test_the_population_of_cmaes() -> None:
    assert [default_population(n) for n in (1, 2, 10)] == [4, 6, 10]


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is here")
def test_a_sampler_whose_package_is_missing_says_so(make_bench: Make) -> None:
    bench = make_bench({"sampler": {"gp": {"seed": 1, "n_startup_trials": 1}}, "space": PLAIN})
    store = bench.store()
    store.reconcile({})
    finish(bench, store, bench.created(store.ask()))
    with pytest.raises(StorageError, match=r"torch[^$]*pip install 'htr-tui\[gp\]'"):
        store.ask()
