"""Samplers whose next point depends on generations of earlier ones, made to survive restarts and rebuilds.

What they remember is a number on each trial, its generation; everything else is worked out from the trials. Where the
numbers are lost with the database, `generations` finds them again in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy
import optuna
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler, NSGAIISampler, QMCSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from htr_tui.journal.records import TrialRecord
from htr_tui.search.distributions import steady_space
from htr_tui.study.sampler_spec import CmaesSampler as CmaesSpec
from htr_tui.study.sampler_spec import Nsga2Sampler as Nsga2Spec
from htr_tui.study.sampler_spec import QmcSampler as QmcSpec
from htr_tui.study.search_spec import SearchSpec


class Cmaes(CmaEsSampler):
    """Optuna's sampler without its pickled state in the database: generations are told again for each trial.

    It moves the parameters that are in every trial: Optuna would give up for good once a conditional one is missing.
    """

    def __init__(self, search: SearchSpec, spec: CmaesSpec, seed: int | None) -> None:
        super().__init__(seed=seed, n_startup_trials=spec.n_startup_trials, popsize=spec.population_size)
        self._steady = steady_space(search, numbers_only=True)
        self._direction = optuna.study.StudyDirection.MINIMIZE

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The same for all trials."""
        self._direction = study.direction
        return self._steady

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        transform = _SearchSpaceTransform(self._steady, transform_step=True, transform_0_1=True)
        optimizer = self._init_optimizer(transform, self._direction)
        sign = 1.0 if self._direction == optuna.study.StudyDirection.MINIMIZE else -1.0
        while True:
            born = self._get_solution_trials(completed_trials, optimizer.generation)
            if len(born) < optimizer.population_size:
                return optimizer
            optimizer.tell(
                [(transform.transform(t.params), sign * (t.value or 0.0)) for t in born[: optimizer.population_size]]
            )

    def _get_solution_trials(self, trials: list[FrozenTrial], generation: int) -> list[FrozenTrial]:
        """Those of a generation, first completed first: one that ends late never changes what was told before."""
        born = super()._get_solution_trials(trials, generation)
        usable = [t for t in born if self._steady.keys() <= t.params.keys()]
        return sorted(usable, key=lambda t: (t.datetime_complete or datetime.max, t.number))

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, str]:
        return {}


class Qmc(QMCSampler):
    """Optuna's sampler with the trial's number as the place in the sequence, and the same space from the first trial."""

    def __init__(self, search: SearchSpec, spec: QmcSpec, number: int, seed: int | None) -> None:
        independent = optuna.samplers.RandomSampler(seed=seed)
        super().__init__(
            qmc_type=spec.sequence, scramble=spec.scramble, seed=spec.seed, independent_sampler=independent
        )
        self._steady = steady_space(search)
        self._number = number

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The same for all trials."""
        return self._steady

    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:
        return self._number


def lost_generations(search: SearchSpec, trials: Mapping[int, TrialRecord]) -> dict[int, dict[str, Any]]:
    """Optuna's marks of generations for trials of the journal, where the sampler has such; by trial."""
    sampler = search.sampler
    if isinstance(sampler, Nsga2Spec):
        return {
            number: {NSGAIISampler._get_generation_key(): generation}
            for number, generation in generations(trials, sampler.population_size).items()
        }
    if isinstance(sampler, CmaesSpec):
        size = sampler.population_size or default_population(len(steady_space(search, numbers_only=True)))
        found = generations(trials, size, startup=sampler.n_startup_trials)
        return {number: {"cma:generation": generation} for number, generation in found.items()}
    return {}


def default_population(dimensions: int) -> int:
    """The population that cmaes takes by itself."""
    import cmaes  # and scipy with it: half a second and 60 MB, for studies that need it only

    return int(cmaes.CMA(mean=numpy.zeros(max(1, dimensions)), sigma=1.0).population_size)


def generations(trials: Mapping[int, TrialRecord], population: int, *, startup: int = 0) -> dict[int, int]:
    """In which generation each trial was made: a new one begins when the last has enough complete trials.

    The first `startup` complete trials come before the first generation. What counts is what was complete when a trial
    was made, so trials side by side are told apart as they were when they ran.
    """
    found: dict[int, int] = {}
    ends: list[tuple[float, int]] = sorted(
        (t.ended, number) for number, t in trials.items() if t.state == "complete" and t.ended is not None
    )
    complete: dict[int, int] = {}
    done = seen = current = 0
    for number in sorted(trials):
        created = trials[number].created
        while seen < len(ends) and created is not None and ends[seen][0] <= created:
            if ends[seen][1] in found:
                generation = found[ends[seen][1]]
                complete[generation] = complete.get(generation, 0) + 1
            seen += 1
            done += 1
        while complete.get(current, 0) >= population:
            current += 1
        if done >= startup:
            found[number] = current
    return found
