"""The points of a grid and the number of trials that a search can make."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from htr_tui.study.conditions import choosing_order, is_active
from htr_tui.study.parameters import (
    CategoricalParameter,
    FixedParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    fitting,
    stored_form,
)
from htr_tui.study.search_spec import Experiment, GridSampler, SearchSpec

MAX_POINTS: Final = 100_000


class GridError(ValueError):
    """A grid that cannot be walked: which parameter, and what would do."""

    def __init__(self, message: str, parameter: str = "", allowed: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter
        self.allowed = allowed


class Grid:
    """The points of a grid by number, the last parameter changing fastest; GridError if it cannot be walked.

    Points that differ only in parameters whose condition does not hold there are one point.
    """

    def __init__(self, search: SearchSpec) -> None:
        self.values = grid_values(search)
        self._names = tuple(search.space)
        self._points = _sensible_points(search, self.values) if search.is_conditional else None
        size = math.prod(map(len, self.values.values())) if self._points is None else len(self._points)
        if size > MAX_POINTS:
            raise _too_many()
        self.size = size

    def point(self, number: int) -> dict[str, Any] | None:
        """The parameters of a point; None beyond the last."""
        if self._points is None:
            return grid_point(self.values, number)
        if number >= self.size:
            return None
        point = self._points[number]
        return {name: point[name] for name in self._names if name in point}


def grid_values(search: SearchSpec) -> dict[str, tuple[Any, ...]]:
    """The values of every parameter of a grid; GridError if there are too many or one lies outside."""
    sampler = search.sampler
    if not isinstance(sampler, GridSampler):
        raise GridError("not a grid")
    values: dict[str, tuple[Any, ...]] = {}
    for name, parameter in search.space.items():
        if name in sampler.values:
            values[name] = _explicit(name, parameter, sampler.values[name])
        elif _size(parameter, sampler.points) > MAX_POINTS:
            raise _too_many()
        else:
            values[name] = tuple(_values(parameter, sampler.points))
    return values


def _too_many() -> GridError:
    return GridError(f"more than {MAX_POINTS} points", allowed="fewer points, larger steps, or values")


def _sensible_points(search: SearchSpec, values: dict[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = [{}]
    for name in choosing_order(search.space):
        longer: list[dict[str, Any]] = []
        for point in points:
            active = is_active(search.space[name], point)
            longer += [{**point, name: value} for value in values[name]] if active else [point]
            if len(longer) > MAX_POINTS:
                raise _too_many()
        points = longer
    return points


def grid_point(values: dict[str, tuple[Any, ...]], number: int) -> dict[str, Any] | None:
    """The parameters of point `number` (the last parameter changes fastest); None beyond the last."""
    point: dict[str, Any] = {}
    for name in reversed(values):
        number, index = divmod(number, len(values[name]))
        point[name] = values[name][index]
    return {name: point[name] for name in values} if number == 0 else None


def experiment_trials(search: SearchSpec) -> list[tuple[str, dict[str, Any]]]:
    """Name and parameters of every trial of `experiments`.

    Repeated ones go round by round: all with the first value, then all with the second, so that a study that is
    stopped early has compared like with like.
    """
    runs = [list(_repeated(search, item)) for item in search.experiments]
    longest = max(map(len, runs), default=0)
    return [found[index] for index in range(longest) for found in runs if index < len(found)]


def _repeated(search: SearchSpec, item: Experiment) -> Iterator[tuple[str, dict[str, Any]]]:
    repeats = search.repeats_of(item)
    if not repeats:
        yield item.name, dict(item.params)
    for name, values in repeats.items():
        short = name.replace("/", ".").rpartition(".")[2]
        for value in values:
            yield f"{item.name}, {short} {stored_form(value)}", {**item.params, name: value}


def trial_count(search: SearchSpec) -> int | None:
    """How many trials there can be; None where the sampler never runs out."""
    if search.experiments:
        return sum(max(1, *map(len, search.repeats_of(item).values()), 0) for item in search.experiments)
    if not isinstance(search.sampler, GridSampler):
        return None
    try:
        return Grid(search).size
    except GridError:
        return None


def _size(parameter: Parameter, points: int) -> int:
    match parameter:
        case FloatParameter(step=None):
            return points
        case FloatParameter(step=float(step)):
            return _steps(parameter.low, parameter.high, step)
        case IntParameter():
            return (parameter.high - parameter.low) // parameter.step + 1
        case CategoricalParameter():
            return len(parameter.choices)
    return 1


def _values(parameter: Parameter, points: int) -> Iterator[Any]:
    match parameter:
        case FloatParameter(step=float(step)):
            count = _steps(parameter.low, parameter.high, step)
            # Twelve digits take the dust off sums of decimal steps: 0.1 + 2 * 0.1 is meant to be 0.3.
            yield from (
                min(max(float(f"{parameter.low + i * step:.12g}"), parameter.low), parameter.high) for i in range(count)
            )
        case FloatParameter():
            yield from _spread(parameter.low, parameter.high, parameter.log, points)
        case IntParameter():
            yield from range(parameter.low, parameter.high + 1, parameter.step)
        case CategoricalParameter():
            yield from parameter.choices
        case FixedParameter():
            yield parameter.value


def _steps(low: float, high: float, step: float) -> int:
    count = (high - low) / step
    return min(math.floor(count + 1e-9) + 1, MAX_POINTS + 1) if count < MAX_POINTS else MAX_POINTS + 1


def _spread(low: float, high: float, log: bool, points: int) -> Iterator[float]:
    if points == 1:
        yield math.sqrt(low) * math.sqrt(high) if log else low + (high - low) / 2
        return
    for i in range(points):
        share = i / (points - 1)
        if share in (0.0, 1.0):
            yield high if share else low
        elif log:
            yield min(max(math.exp(math.log(low) + share * (math.log(high) - math.log(low))), low), high)
        else:
            yield min(max(low + share * (high - low), low), high)


def _explicit(name: str, parameter: Parameter, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The listed values of a parameter, each of them checked against its definition."""
    result = []
    for value in values:
        checked = fitting(parameter, value)
        if checked is None or checked in result:
            why = "is given twice" if checked in result and checked is not None else "is not in its range"
            raise GridError(f"{name}: {value!r} {why}", name, "values of the parameter's range, each once")
        result.append(checked)
    return tuple(result)
