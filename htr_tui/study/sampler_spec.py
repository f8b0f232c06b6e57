"""The samplers of the study file: how the parameters of the next trial are chosen."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from htr_tui.study.parameters import NotNegative, Number, ParameterName, Section, Seed, Switch, Value, Whole

Population = Annotated[Whole, Field(ge=2, le=10_000)]


class TpeSampler(Section):
    """Tree-structured Parzen estimator: learns from finished trials."""

    kind: Literal["tpe"] = "tpe"
    seed: Seed | None = None
    """Makes the study reproducible, trials in sequence; without it every run differs."""
    n_startup_trials: NotNegative = 10
    """Random trials before it learns."""
    multivariate: Switch = True
    """Considers parameters together."""


class GpSampler(Section):
    """Bayesian optimisation with a Gaussian process: the fewest trials, a few seconds each; needs PyTorch and SciPy."""

    kind: Literal["gp"] = "gp"
    seed: Seed | None = None
    """Makes the study reproducible, trials in sequence."""
    n_startup_trials: NotNegative = 10
    """Random trials before it learns."""
    deterministic: Switch = False
    """The same parameters always give the same value."""


class RandomSampler(Section):
    """Independent random draws."""

    kind: Literal["random"] = "random"
    seed: Seed | None = None
    """Makes the draws reproducible."""


class GridSampler(Section):
    """Every combination, in the order of the file, the last parameter changing fastest."""

    kind: Literal["grid"] = "grid"
    points: Annotated[Whole, Field(ge=1, le=10_000)] = 5
    """How many values of each float range that has no step."""
    values: dict[ParameterName, Annotated[tuple[Value, ...], Field(min_length=1, max_length=10_000)]] = {}
    """Explicit values of a parameter, within its range, instead of the points."""


class CmaesSampler(Section):
    """Covariance matrix adaptation: many trials over numbers; other parameters are drawn at random."""

    kind: Literal["cmaes"] = "cmaes"
    seed: Seed | None = None
    """Makes the study reproducible, trials in sequence."""
    n_startup_trials: NotNegative = 1
    """Random trials before it learns."""
    population_size: Population | None = None
    """Complete trials that make a generation; from the number of parameters when left out."""


class Nsga2Sampler(Section):
    """A genetic algorithm, for several objectives above all."""

    kind: Literal["nsga2"] = "nsga2"
    seed: Seed | None = None
    """Makes the study reproducible, trials in sequence."""
    population_size: Population = 50
    """Complete trials that make a generation; the first is random."""
    crossover: Annotated[Number, Field(ge=0, le=1)] = 0.9
    """Share of trials that mix two parents."""
    mutation: Annotated[Number, Field(ge=0, le=1)] | None = None
    """Probability that a parameter is drawn anew; 1 over their number when left out."""


class QmcSampler(Section):
    """A quasi-random sequence: covers the space more evenly than random draws; needs SciPy."""

    kind: Literal["qmc"] = "qmc"
    sequence: Literal["sobol", "halton"] = "sobol"
    """Which sequence; `sobol` is at its best with 16, 32, 64, ... trials."""
    scramble: Switch = True
    """Shift the points; without it the first one is a corner of the space."""
    seed: Seed = 0
    """Which shift."""


Sampler = TpeSampler | GpSampler | RandomSampler | GridSampler | CmaesSampler | Nsga2Sampler | QmcSampler
SAMPLERS: Final[dict[str, type[Section]]] = {
    "tpe": TpeSampler,
    "gp": GpSampler,
    "random": RandomSampler,
    "grid": GridSampler,
    "cmaes": CmaesSampler,
    "nsga2": Nsga2Sampler,
    "qmc": QmcSampler,
}
