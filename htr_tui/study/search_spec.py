"""The search section of the study file: sampler, pruner, space or experiments, constraints, warm start."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from htr_tui.study import forms
from htr_tui.study.constraints import parse_constraint
from htr_tui.study.parameters import Line, ParameterField, ParameterName, Section, Value, Whole
from htr_tui.study.pruner_spec import (
    PRUNERS,
    HyperbandPruner,
    MedianPruner,
    NoPruner,
    PatientPruner,
    PercentilePruner,
    Pruner,
    ThresholdPruner,
    WilcoxonPruner,
)
from htr_tui.study.sampler_spec import (
    SAMPLERS,
    CmaesSampler,
    GpSampler,
    GridSampler,
    Nsga2Sampler,
    QmcSampler,
    RandomSampler,
    Sampler,
    TpeSampler,
)

__all__ = [
    "PRUNERS",
    "SAMPLERS",
    "CmaesSampler",
    "Experiment",
    "GpSampler",
    "GridSampler",
    "HyperbandPruner",
    "MedianPruner",
    "NoPruner",
    "Nsga2Sampler",
    "PatientPruner",
    "PercentilePruner",
    "Pruner",
    "QmcSampler",
    "RandomSampler",
    "Sampler",
    "SearchSpec",
    "ThresholdPruner",
    "TpeSampler",
    "WarmStart",
    "WilcoxonPruner",
]

Repeats = Annotated[
    dict[ParameterName, Annotated[tuple[Value, ...], Field(min_length=1, max_length=1000)]],
    Field(max_length=1),
    BeforeValidator(forms.repeats),
]


class Experiment(Section):
    """One named set of parameters."""

    name: Line
    """What the trial is called in tables."""
    params: dict[ParameterName, Value]
    """Its parameters."""
    repeats: Repeats | None = None
    """Run it once for each value of a parameter, instead of the search's own `repeats`."""


class WarmStart(Section):
    """Trials of another study that are run first."""

    study: Line
    """The other study: its name, its folder, or the URL of an Optuna storage."""
    best: Annotated[Whole, Field(ge=1, le=1000)] = 10
    """How many of its best complete trials."""
    name: Line | None = None
    """Which study of an Optuna storage, where it has several."""


def _warm_start(value: Any) -> Any:
    return {"study": value} if isinstance(value, str) else value


def _constraint(text: str) -> str:
    try:
        parse_constraint(text)
    except ValueError as error:
        allowed = 'one comparison of metrics, as "peak_gpu_bytes / 1e9 <= 11"'
        raise forms.form_error(f"{text!r}: {error}", allowed=allowed) from None
    return text


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class SearchSpec(Section):
    """Which parameters are tried: a sampler over a space, or a list of experiments."""

    sampler: Annotated[
        Annotated[Sampler, Field(discriminator="kind")],
        BeforeValidator(lambda value: forms.choice(value, "sampler", SAMPLERS)),
    ] = TpeSampler()
    """How parameters are chosen: `tpe`, `gp`, `random`, `grid`, `cmaes`, `nsga2` or `qmc`, alone or with options."""
    pruner: Annotated[
        Annotated[Pruner, Field(discriminator="kind")],
        BeforeValidator(lambda value: forms.choice(value, "pruner", PRUNERS)),
    ] = NoPruner()
    """Which trials are given up early."""
    space: Annotated[dict[ParameterName, ParameterField], Field(max_length=200)] = {}
    """Parameters by name: `{float: [low, high]}`, `{int: [low, high]}`, `{categorical: [...]}`, or a fixed value."""
    experiments: Annotated[tuple[Experiment, ...], Field(max_length=10_000)] = ()
    """Named trials in their order, instead of sampler and space."""
    repeats: Repeats = {}
    """Runs every experiment once for each value of a parameter, mostly a seed: `{train.seed: [1, 2, 3]}`."""
    constraints: Annotated[
        tuple[Annotated[Line, AfterValidator(_constraint)], ...], Field(max_length=20), BeforeValidator(_listed)
    ] = ()
    """Comparisons that a good trial keeps: over its metrics, `peak_gpu_bytes`, `peak_rss_bytes` and `seconds`."""
    warm_start: Annotated[WarmStart | None, BeforeValidator(_warm_start)] = None
    """The best trials of another study, run first."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters, in the order of the file."""
        if not self.experiments:
            return tuple(self.space)
        names = dict.fromkeys(name for item in self.experiments for name in item.params)
        for item in self.experiments:
            names.update(dict.fromkeys(self.repeats_of(item)))
        return tuple(names)

    def repeats_of(self, experiment: Experiment) -> dict[str, tuple[Any, ...]]:
        """The parameter over whose values an experiment is repeated, with them; empty where it runs once."""
        return dict(self.repeats if experiment.repeats is None else experiment.repeats)

    @property
    def is_conditional(self) -> bool:
        """Whether some parameter is not in every trial."""
        return any(parameter.when for parameter in self.space.values())
