"""The search section of the study file: samplers, pruners, spaces, experiments."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from htr_tui.study import forms
from htr_tui.study.parameters import (
    Count,
    Line,
    NotNegative,
    ParameterField,
    ParameterName,
    Scalar,
    Section,
    Seed,
    Switch,
    Whole,
)

PLANNED_SAMPLERS: Final = ("gp", "cmaes", "nsga2", "qmc")
PLANNED_PRUNERS: Final = ("hyperband", "percentile", "patient")


class TpeSampler(Section):
    """Tree-structured Parzen estimator: learns from finished trials."""

    kind: Literal["tpe"] = "tpe"
    seed: Seed | None = None
    """Makes the study reproducible, trials in sequence; without it every run differs."""
    n_startup_trials: NotNegative = 10
    """Random trials before it learns."""
    multivariate: Switch = True
    """Considers parameters together."""


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
    values: dict[ParameterName, Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=10_000)]] = {}
    """Explicit values of a parameter, within its range, instead of the points."""


class NoPruner(Section):
    """Every trial runs to its end."""

    kind: Literal["none"] = "none"


class MedianPruner(Section):
    """Prunes a trial whose best value so far is worse than the median of others at the same epoch."""

    kind: Literal["median"] = "median"
    n_startup_trials: NotNegative = 5
    """Complete trials before the first is pruned."""
    n_warmup_steps: NotNegative = 0
    """Epochs of each trial before it may be pruned."""
    interval_steps: Count = 1
    """Epochs between two decisions."""
    n_min_trials: Count = 1
    """Complete trials that must have reported the epoch."""


Sampler = TpeSampler | RandomSampler | GridSampler
Pruner = NoPruner | MedianPruner
SAMPLERS: Final = {"tpe": TpeSampler, "random": RandomSampler, "grid": GridSampler}
PRUNERS: Final = {"none": NoPruner, "median": MedianPruner}


class Experiment(Section):
    """One named set of parameters."""

    name: Line
    """What the trial is called in tables."""
    params: dict[ParameterName, Scalar]
    """Its parameters."""


class SearchSpec(Section):
    """Which parameters are tried: a sampler over a space, or a list of experiments."""

    sampler: Annotated[
        Annotated[Sampler, Field(discriminator="kind")],
        BeforeValidator(lambda value: forms.choice(value, "sampler", SAMPLERS, PLANNED_SAMPLERS)),
    ] = TpeSampler()
    """How parameters are chosen: `tpe`, `random` or `grid`, alone or with options."""
    pruner: Annotated[
        Annotated[Pruner, Field(discriminator="kind")],
        BeforeValidator(lambda value: forms.choice(value, "pruner", PRUNERS, PLANNED_PRUNERS)),
    ] = NoPruner()
    """Which trials are given up early: `none` or `median`."""
    space: Annotated[dict[ParameterName, ParameterField], Field(max_length=200)] = {}
    """Parameters by name: `{float: [low, high]}`, `{int: [low, high]}`, `{categorical: [...]}`, or a fixed value."""
    experiments: Annotated[tuple[Experiment, ...], Field(max_length=10_000)] = ()
    """Named trials in their order, instead of sampler and space."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters, in the order of the file."""
        if self.experiments:
            return tuple(dict.fromkeys(name for item in self.experiments for name in item.params))
        return tuple(self.space)
