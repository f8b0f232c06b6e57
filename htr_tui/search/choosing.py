"""Samplers, pruners, and the fixed order of grids and experiments."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy
import optuna
from optuna import pruners
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from htr_tui.search.evolution import Cmaes, Qmc
from htr_tui.study import search_spec as study
from htr_tui.study.conditions import choosing_order, is_active
from htr_tui.study.grid import Grid, experiment_trials


class Listed:
    """The trials of a grid or a list of experiments: the place alone decides, so a restart changes nothing.

    A trial's place is its number less the trials before it that somebody else asked for.
    """

    def __init__(self, search: study.SearchSpec) -> None:
        self._search = search
        self._experiments = experiment_trials(search)
        self._grid = None if search.experiments else Grid(search)

    def trial(self, place: int) -> tuple[dict[str, Any], str | None] | None:
        """Parameters and name of a trial; None beyond the last."""
        if self._grid is None:
            if place >= len(self._experiments):
                return None
            name, params = self._experiments[place]
            return dict(params), name
        point = self._grid.point(place)
        return None if point is None else (point, None)

    def completed(self, pinned: Mapping[str, Any], number: int) -> dict[str, Any]:
        """The given parameters with the others: those of the first experiment, or drawn from the grid's values."""
        if self._grid is None:
            params = {**self._experiments[0][1], **pinned}
            return {name: params[name] for name in self._search.parameters if name in params}
        draw, space = random.Random(number), self._search.space
        chosen: dict[str, Any] = {}
        for name in choosing_order(space):
            if is_active(space[name], chosen):
                value = draw.choice(self._grid.values[name])
                chosen[name] = pinned.get(name, value)
        return {name: chosen[name] for name in space if name in chosen}


def listed_trials(search: study.SearchSpec) -> Listed | None:
    """The list of trials where the study has one; None where a sampler draws them."""
    if search.experiments or isinstance(search.sampler, study.GridSampler):
        return Listed(search)
    return None


def trial_sampler(search: study.SearchSpec, number: int) -> BaseSampler:
    """The sampler for one trial.

    It is seeded by the study's seed and the trial's number: a sampler that lives on would, after a restart, begin its
    random numbers anew and draw the first points again.
    """
    sampler = search.sampler
    seed = _trial_seed(getattr(sampler, "seed", None), number)
    match sampler:
        case study.TpeSampler():
            return TPESampler(
                seed=seed,
                n_startup_trials=sampler.n_startup_trials,
                multivariate=sampler.multivariate,
                group=sampler.multivariate and search.is_conditional,
            )
        case study.GpSampler():
            return GPSampler(
                seed=seed,
                n_startup_trials=sampler.n_startup_trials,
                deterministic_objective=sampler.deterministic,
            )
        case study.CmaesSampler():
            return Cmaes(search, sampler, seed)
        case study.Nsga2Sampler():
            return NSGAIISampler(
                seed=seed,
                population_size=sampler.population_size,
                crossover_prob=sampler.crossover,
                mutation_prob=sampler.mutation,
            )
        case study.QmcSampler():
            return Qmc(search, sampler, number, seed)
    return RandomSampler(seed=seed)


def _trial_seed(seed: int | None, number: int) -> int | None:
    if seed is None:
        return None
    return int(numpy.random.SeedSequence([seed, number]).generate_state(1)[0])


def study_pruner(search: study.SearchSpec) -> pruners.BasePruner:
    """The pruner of the study."""
    return _pruner(search.pruner)


def _pruner(spec: study.Pruner) -> pruners.BasePruner:
    match spec:
        case study.MedianPruner():
            return pruners.MedianPruner(**_options(spec))
        case study.PercentilePruner():
            return pruners.PercentilePruner(**_options(spec))
        case study.HyperbandPruner():
            return pruners.HyperbandPruner(**_options(spec))
        case study.ThresholdPruner():
            return pruners.ThresholdPruner(**_options(spec))
        case study.WilcoxonPruner():
            return pruners.WilcoxonPruner(**_options(spec))
        case study.PatientPruner(pruner=inner):
            wrapped = None if isinstance(inner, study.NoPruner) else _pruner(inner)
            return pruners.PatientPruner(wrapped, spec.patience, spec.min_delta)
    return pruners.NopPruner()


def _options(spec: study.Pruner) -> dict[str, Any]:
    """Our names of the options are Optuna's."""
    return {name: getattr(spec, name) for name in type(spec).model_fields if name != "kind"}


def lost_rungs(
    search: study.SearchSpec, optuna_study: optuna.Study, number: int, steps: Mapping[int, float]
) -> dict[str, Any]:
    """Hyperband's marks of a trial that is told again: its value at each rung that it reached."""
    spec = search.pruner.pruner if isinstance(search.pruner, study.PatientPruner) else search.pruner
    if not isinstance(spec, study.HyperbandPruner):
        return {}
    pruner = pruners.HyperbandPruner(**_options(spec))
    pruner._try_initialization(optuna_study)
    numbered = optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL)
    numbered.number = number
    bracket = pruner._get_bracket_id(optuna_study, numbered)
    marks: dict[str, Any] = {}
    for step, value in sorted(steps.items()):
        while not math.isnan(value) and step >= spec.min_resource * spec.reduction_factor ** (bracket + len(marks)):
            marks[f"completed_rung_{len(marks)}"] = value
    return marks
