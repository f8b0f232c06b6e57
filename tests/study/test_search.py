"""Conditions, grids, repeats, constraints and given parameters, without Optuna."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htr_tui.errors import UsageError
from htr_tui.study import search_checks
from htr_tui.study.conditions import choosing_order, circle, contradiction, implied, is_active
from htr_tui.study.constraints import constraint_values, unknown_names
from htr_tui.study.grid import Grid, GridError, experiment_trials, trial_count
from htr_tui.study.loading import check_environment, load_study_text, read_study_text
from htr_tui.study.parameters import fitting, stored_form
from htr_tui.study.pinned import pinned_parameters
from htr_tui.study.search_spec import SearchSpec

SMALL = """
study: small
trainer: {command: ["{python}", -c, "pass", "{overrides}"]}
search: SEARCH
objective: OBJECTIVE
budget: {trials: 12}
"""
CHAIN: dict[str, Any] = {
    "width": {"int": [1, 3], "when": {"net": ["deep", "wide"]}},
    "net": {"categorical": ["flat", "deep", "wide"], "when": {"use": True}},
    "use": {"categorical": [True, False]},
    "last": {"fixed": [1, [2, "x"]], "when": {"width": 3, "net": "deep"}},
}


def spec(space: dict[str, Any], **more: Any) -> SearchSpec:
    return SearchSpec.model_validate({"space": space, **more})


def study_text(search: str, objective: str = "{maximize: value}") -> str:
    return SMALL.replace("SEARCH", search).replace("OBJECTIVE", objective)


def warnings(search: str) -> list[str]:
    return [f"{w.key}: {w.message}" for w in read_study_text(study_text(search), "s.yaml").warnings]


# -- conditions ------------------------------------------------------------------------------------------------------


def test_parents_are_chosen_first() -> None:
    space = spec(CHAIN).space
    assert choosing_order(space) == ("use", "net", "width", "last")
    assert circle(space) == ()
    assert choosing_order(spec({"b": 1, "a": 2}).space) == ("b", "a")


def test_a_missing_parent_makes_absent() -> None:
    space = spec(CHAIN).space
    assert not is_active(space["width"], {"use": False})
    assert is_active(space["width"], {"net": "deep"})
    assert not is_active(space["net"], {"use": 1})  # 1 is not true
    assert implied(space, {"last": [1, [2, "x"]]}) == {
        "last": [1, [2, "x"]], "width": 3, "net": "deep", "use": True,
    }  # fmt: skip
    assert contradiction(space, {"net": "flat", "use": True, "width": 1}) == ("width", "net")


def test_circles_are_named() -> None:
    space = spec({n: {"int": [1, 2], "when": {p: 1}} for n, p in (("a", "b"), ("b", "c"), ("c", "b"))}).space
    assert circle(space) in (("b", "c"), ("c", "b"))


# -- grids -----------------------------------------------------------------------------------------------------------


def test_a_conditional_grid_has_sensible_points_only() -> None:
    grid = Grid(spec(CHAIN, sampler="grid"))
    points = [grid.point(number) for number in range(grid.size)]
    assert grid.point(grid.size) is None
    assert points == [
        {"net": "flat", "use": True},
        *({"width": w, "net": "deep", "use": True} for w in (1, 2)),
        {"width": 3, "net": "deep", "use": True, "last": [1, [2, "x"]]},
        *({"width": w, "net": "wide", "use": True} for w in (1, 2, 3)),
        {"use": False},
    ]
    assert [list(p or {}) for p in points[3:4]] == [["width", "net", "use", "last"]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_conditional_grid_is_the_brute_force_one(data: st.DataObject) -> None:
    names = ["a", "b", "c", "d"]
    space: dict[str, Any] = {}
    for index, name in enumerate(names):
        space[name] = {"int": [1, data.draw(st.integers(2, 3))]}
        if index and data.draw(st.booleans()):
            parent = data.draw(st.sampled_from(names[:index]))
            space[name]["when"] = {parent: data.draw(st.lists(st.integers(1, 2), min_size=1, max_size=2))}
    space = dict(sorted(space.items(), key=lambda _: data.draw(st.integers(0, 9))))
    search = spec(space, sampler="grid")
    expected = set()
    for values in itertools.product(*(range(1, p["int"][1] + 1) for p in space.values())):
        full = dict(zip(space, values, strict=True))
        present: dict[str, Any] = {}
        for name in choosing_order(search.space):
            if is_active(search.space[name], present):
                present[name] = full[name]
        expected.add(tuple(sorted(present.items())))
    grid = Grid(search)
    found = [tuple(sorted((grid.point(n) or {}).items())) for n in range(grid.size)]
    assert len(found) == len(set(found)) == trial_count(search)
    assert set(found) == expected


def test_grids_that_are_too_large() -> None:
    wide: dict[str, Any] = {name: {"int": [1, 100]} for name in "abc"}
    with pytest.raises(GridError, match="more than 100000 points"):
        Grid(spec(wide, sampler="grid"))
    wide["c"]["when"] = {"a": 1}
    assert Grid(spec(wide, sampler="grid")).size == 99 * 100 + 100 * 100


# -- experiments -----------------------------------------------------------------------------------------------------


def test_repeats_go_round_by_round() -> None:
    search = SearchSpec.model_validate(
        {
            "repeats": {"train.seed": 2},
            "experiments": [
                {"name": "plain", "params": {"lr": 1}},
                {"name": "once", "params": {"lr": 2}, "repeats": {}},
                {"name": "folds", "params": {"lr": 3}, "repeats": {"fold": ["a", [1, 2], "c"]}},
            ],
        }
    )
    assert experiment_trials(search) == [
        ("plain, seed 1", {"lr": 1, "train.seed": 1}),
        ("once", {"lr": 2}),
        ("folds, fold a", {"lr": 3, "fold": "a"}),
        ("plain, seed 2", {"lr": 1, "train.seed": 2}),
        ("folds, fold [1, 2]", {"lr": 3, "fold": [1, 2]}),
        ("folds, fold c", {"lr": 3, "fold": "c"}),
    ]
    assert trial_count(search) == 6
    assert search.parameters == ("lr", "train.seed", "fold")


def test_a_repeated_parameter_may_stand_in_the_command() -> None:
    text = study_text("{experiments: [{name: a, params: {lr: 1}}], repeats: {seed: [3, 4]}}")
    study = load_study_text(text.replace('"{overrides}"', '"{overrides}", "{seed}"'), "s.yaml")
    assert study.search.repeats == {"seed": (3, 4)}


# -- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        ({"float": [0, 1]}, 1, 1.0),
        ({"float": [0, 1], "step": 0.1}, 0.3, 0.3),
        ({"float": [0, 1], "step": 0.1}, 0.35, None),
        ({"float": [0, 1]}, math.nan, None),
        ({"float": [0, 1]}, True, None),
        ({"float": [0, 1]}, 10**400, None),
        ({"int": [0, 1]}, -(10**400), None),
        ({"int": [1, 9], "step": 4}, 5.0, 5),
        ({"int": [1, 9], "step": 4}, 4, None),
        ({"int": [1, 9]}, 1.5, None),
        ({"int": [1, 9]}, math.inf, None),
        ({"categorical": [[1, 2], "a", 1]}, [1, 2], [1, 2]),
        ({"categorical": [[1, 2], "a", 1]}, True, None),
        ({"fixed": [1, 2]}, [1, 2], [1, 2]),
        ({"fixed": 3}, 4, None),
    ],
)
def test_fitting(parameter: dict[str, Any], value: Any, expected: Any) -> None:
    found = fitting(spec({"x": parameter}).space["x"], value)
    assert (type(found), found) == (type(expected), expected)


def test_lists_have_a_text_for_databases() -> None:
    assert [stored_form(v) for v in ([64, 32], ["é", True], "x", 3)] == ["[64, 32]", '["é", true]', "x", 3]


def test_given_parameters() -> None:
    search = spec(CHAIN)
    assert pinned_parameters(search, {"width": 2}) == {"width": 2, "net": "deep", "use": True}
    assert pinned_parameters(search, {}) == {}
    with pytest.raises(UsageError, match="width is only there when net is the text 'deep', the text 'wide'"):
        pinned_parameters(search, {"width": 2, "net": "flat"})


# -- constraints -----------------------------------------------------------------------------------------------------


def values(*constraints: str, gpu: float | None = 8e9) -> tuple[float, ...]:
    metrics = {"val/cer": 0.25, "nan": math.nan, "inf": math.inf, "seconds": -5.0}
    return constraint_values(constraints, metrics, peak_gpu_bytes=gpu, peak_rss_bytes=2e9, seconds=100.0)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("peak_gpu_bytes / 1e9 <= 11", -3.0),
        ("val/cer <= 0.125", 0.125),
        ("val/cer >= 0.5", 0.25),
        ("val/cer <= 0.25", 0.0),
        ("peak_gpu_bytes > 2 * peak_rss_bytes", -4e9),
        ("seconds <= 90", 10.0),
        ("val/psnr >= 1", math.inf),
        ("nan <= 1", math.inf),
        ("inf <= inf", 0.0),
        ("inf <= 3", math.inf),
        ("3 <= inf", -math.inf),
    ],
)
def test_constraints_as_numbers(constraint: str, expected: float) -> None:
    assert values(constraint) == (expected,)


def test_a_strict_constraint_is_broken_by_equality() -> None:
    assert values("val/cer < 0.25")[0] > 0
    assert values("val/cer < 0.26")[0] < 0


def test_what_was_not_measured_keeps_nothing() -> None:
    assert values("peak_gpu_bytes <= 1e12", gpu=None) == (math.inf,)
    assert values("peak_gpu_bytes <= 1e12", gpu=0) == (-1e12,)
    names = unknown_names(
        ["a + b <= 1", "a <= seconds"], {"b": 1.0}, peak_gpu_bytes=None, peak_rss_bytes=None, seconds=None
    )
    assert names == ("a", "seconds")


# -- warnings and the machine ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("{space: {a: {float: [0, 1]}}}", []),
        ("{sampler: nsga2, space: {a: {float: [0, 1]}}}",
         ["search.sampler: never learns: 12 trials, and the first generation has 50"]),
        ("{sampler: {gp: {n_startup_trials: 12}}, space: {a: {float: [0, 1]}}}",
         ["search.sampler: never learns: 12 trials, and 12 random trials come first"]),
        ("{sampler: cmaes, constraints: 'x <= 1', space: {a: {int: [0, 1]}, b: {categorical: [1, 2]}, c: 3}}",
         ["search.sampler: cmaes draws b at random: categorical, or with a when",
          "search.constraints: cmaes does not learn from constraints"]),
        ("{sampler: qmc, space: {a: {int: [0, 1]}, b: {categorical: [1, 2], when: {a: 1}}}}",
         ["search.sampler: qmc draws b at random: with a when"]),
        ("{pruner: {patient: {patience: 1, pruner: {percentile: {n_startup_trials: 20}}}}, space: {a: {int: [0, 1]}}}",
         ["search.pruner: never prunes: 20 trials come first"]),
        ("{repeats: {seed: 2}, experiments: [{name: a, params: {x: 1}}]}",
         ["budget.trials: 12 trials, but there are 2 experiments; it ends after 2"]),
    ],
)  # fmt: skip
def test_warnings(search: str, expected: list[str]) -> None:
    assert warnings(search) == expected


def test_packages_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_checks, "_is_installed", lambda _name: False)

    def problems(search: str) -> list[tuple[str, str, str]]:
        study = load_study_text(study_text(search), "s.yaml")
        return [(p.key, p.message, p.allowed) for p in check_environment(study, tmp_path)]

    space = "space: {a: {float: [0, 1]}}"
    assert problems(f"{{sampler: gp, {space}}}") == [
        ("search.sampler", "gp needs torch and scipy, not installed here", "pip install 'htr-tui[gp]'")
    ]
    assert problems(f"{{sampler: qmc, pruner: {{patient: {{patience: 1, pruner: wilcoxon}}}}, {space}}}") == [
        ("search.pruner", "wilcoxon needs scipy, not installed here", "pip install scipy"),
        ("search.sampler", "qmc needs scipy, not installed here", "pip install scipy"),
    ]
    assert problems(f"{{sampler: tpe, {space}}}") == []
    assert problems("{experiments: [{name: a, params: {x: 1}}]}") == []


def test_a_warm_start_from_nowhere_is_an_error(tmp_path: Path) -> None:
    study = load_study_text(study_text("{warm_start: nobody, space: {a: {float: [0, 1]}}}"), "s.yaml")
    (problem,) = check_environment(study, tmp_path)
    assert problem.key == "search.warm_start"
    assert "there is no study 'nobody'" in problem.message


def test_a_grid_begins_at_the_lowest_value_however_many_digits_it_has() -> None:
    search = spec({"x": {"float": [0.1234567890123456, 1.0], "step": 0.25}}, sampler="grid")
    values = [point["x"] for n in range(4) if (point := Grid(search).point(n)) is not None]
    assert values[0] == 0.1234567890123456
    assert all(fitting(search.space["x"], value) is not None for value in values)


def test_half_a_character_is_no_value() -> None:
    search = SearchSpec.model_validate({"experiments": [{"name": "a", "params": {"x": "y"}}]})
    with pytest.raises(UsageError, match="x cannot be"):
        pinned_parameters(search, {"x": "\udcff"})
