"""Optuna's view of the study's parameters: it knows no lists, so a list is its JSON text there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)

from htr_tui.study.grid import experiment_trials
from htr_tui.study.parameters import CategoricalParameter, FixedParameter, FloatParameter, Parameter, stored_form
from htr_tui.study.search_spec import SearchSpec


def study_distributions(spec: SearchSpec) -> dict[str, BaseDistribution]:
    """A distribution for every parameter that a trial of the study can have."""
    if spec.experiments:
        trials = [params for _, params in experiment_trials(spec)]
        return {name: _of_values(p[name] for p in trials if name in p) for name in spec.parameters}
    return {name: _of_parameter(parameter) for name, parameter in spec.space.items()}


def steady_space(spec: SearchSpec, *, numbers_only: bool = False) -> dict[str, BaseDistribution]:
    """Distributions of those parameters that are in every trial and can vary."""
    found = {name: _of_parameter(p) for name, p in spec.space.items() if not p.when}
    return {
        name: distribution
        for name, distribution in found.items()
        if not distribution.single() and not (numbers_only and isinstance(distribution, CategoricalDistribution))
    }


def _of_parameter(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, FloatParameter):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)
    if isinstance(parameter, CategoricalParameter):
        return CategoricalDistribution([stored_form(choice) for choice in parameter.choices])
    if isinstance(parameter, FixedParameter):
        return CategoricalDistribution((stored_form(parameter.value),))
    return IntDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)


def _of_values(values: Iterable[Any]) -> BaseDistribution:
    """What listed values have in common: numbers become a range, so that Optuna's plots order them."""
    listed = [stored_form(value) for value in values]
    numbers = [v for v in listed if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(listed):
        if all(isinstance(v, int) for v in numbers):
            return IntDistribution(int(min(numbers)), int(max(numbers)))
        return FloatDistribution(float(min(numbers)), float(max(numbers)))
    unique: list[Any] = []
    for value in listed:
        if value not in unique:
            unique.append(value)
    return CategoricalDistribution(unique)


def plain_value(parameter: Parameter, stored: Any) -> Any:
    """The study's value for what Optuna holds: a list again where the study means one."""
    if isinstance(parameter, CategoricalParameter):
        return next((choice for choice in parameter.choices if stored_form(choice) == stored), stored)
    return parameter.value if isinstance(parameter, FixedParameter) else stored


def fits(distribution: BaseDistribution, value: Any) -> bool:
    """Whether Optuna can store `value` under `distribution`."""
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError, OverflowError):
        return False


def compatible(old: BaseDistribution, new: BaseDistribution) -> bool:
    """Whether Optuna lets one parameter have both in one study."""
    try:
        check_distribution_compatibility(old, new)
    except ValueError:
        return False
    return True


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Let the trial's sampler choose (or find what it chose before), as a plain Python value."""
    if isinstance(distribution, FloatDistribution):
        value = trial.suggest_float(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
        return float(value)
    if isinstance(distribution, IntDistribution):
        whole = trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
        return int(whole)
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    raise TypeError(f"unknown distribution {distribution!r}")
