"""Samplers, pruners, and the fixed order of grids and experiments."""

from __future__ import annotations

from typing import Any

import numpy
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from htr_tui.study import search_spec as study
from htr_tui.study.grid import grid_point, grid_values


class Listed:
    """The trials of a grid or a list of experiments: the number alone decides, so a restart changes nothing."""

    def __init__(self, search: study.SearchSpec) -> None:
        self._experiments = search.experiments
        self._grid = {} if search.experiments else grid_values(search)

    def trial(self, number: int) -> tuple[dict[str, Any], str | None] | None:
        """Parameters and name of trial `number`; None beyond the last."""
        if self._experiments:
            if number >= len(self._experiments):
                return None
            item = self._experiments[number]
            return dict(item.params), item.name
        point = grid_point(self._grid, number)
        return None if point is None else (point, None)


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
    if isinstance(sampler, study.TpeSampler):
        return TPESampler(
            seed=_trial_seed(sampler.seed, number),
            n_startup_trials=sampler.n_startup_trials,
            multivariate=sampler.multivariate,
        )
    seed = sampler.seed if isinstance(sampler, study.RandomSampler) else 0
    return RandomSampler(seed=_trial_seed(seed, number))


def _trial_seed(seed: int | None, number: int) -> int | None:
    if seed is None:
        return None
    return int(numpy.random.SeedSequence([seed, number]).generate_state(1)[0])


def study_pruner(search: study.SearchSpec) -> BasePruner:
    """The pruner of the study."""
    pruner = search.pruner
    if isinstance(pruner, study.MedianPruner):
        return MedianPruner(
            n_startup_trials=pruner.n_startup_trials,
            n_warmup_steps=pruner.n_warmup_steps,
            interval_steps=pruner.interval_steps,
            n_min_trials=pruner.n_min_trials,
        )
    return NopPruner()
