"""The points of a grid and the number of trials that a search can make."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from htr_tui.study.parameters import CategoricalParameter, FixedParameter, FloatParameter, IntParameter, Parameter
from htr_tui.study.search_spec import GridSampler, SearchSpec

MAX_POINTS: Final = 100_000


class GridError(ValueError):
    """A grid that cannot be walked: which parameter, and what would do."""

    def __init__(self, message: str, parameter: str = "", allowed: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter
        self.allowed = allowed


def grid_values(search: SearchSpec) -> dict[str, tuple[Any, ...]]:
    """The values of every parameter of a grid; GridError if there are too many points or one lies outside."""
    sampler = search.sampler
    if not isinstance(sampler, GridSampler):
        raise GridError("not a grid")
    values: dict[str, tuple[Any, ...]] = {}
    total = 1
    for name, parameter in search.space.items():
        if name in sampler.values:
            values[name] = _explicit(name, parameter, sampler.values[name])
        else:
            total *= _size(parameter, sampler.points)
            if total <= MAX_POINTS:
                values[name] = tuple(_values(parameter, sampler.points))
        if name in sampler.values:
            total *= len(values[name])
        if total > MAX_POINTS:
            raise GridError(f"more than {MAX_POINTS} points", allowed="fewer points, larger steps, or values")
    return values


def grid_point(values: dict[str, tuple[Any, ...]], number: int) -> dict[str, Any] | None:
    """The parameters of point `number` (the last parameter changes fastest); None beyond the last."""
    point: dict[str, Any] = {}
    for name in reversed(values):
        number, index = divmod(number, len(values[name]))
        point[name] = values[name][index]
    return {name: point[name] for name in values} if number == 0 else None


def trial_count(search: SearchSpec) -> int | None:
    """How many trials there can be; None where the sampler never runs out."""
    if search.experiments:
        return len(search.experiments)
    if not isinstance(search.sampler, GridSampler):
        return None
    try:
        return math.prod(len(values) for values in grid_values(search).values())
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
            yield from (min(float(f"{parameter.low + i * step:.12g}"), parameter.high) for i in range(count))
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
        checked = _fit(parameter, value)
        if checked is None or checked in result:
            why = "is given twice" if checked in result and checked is not None else "is not in its range"
            raise GridError(f"{name}: {value!r} {why}", name, "values of the parameter's range, each once")
        result.append(checked)
    return tuple(result)


def _fit(parameter: Parameter, value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match parameter:
        case FloatParameter():
            return float(value) if is_number and parameter.low <= value <= parameter.high else None
        case IntParameter():
            fits = is_number and isinstance(value, int) and parameter.low <= value <= parameter.high
            return value if fits and (value - parameter.low) % parameter.step == 0 else None
        case CategoricalParameter():
            return value if value in parameter.choices else None
        case FixedParameter():
            return value if value == parameter.value else None
    return None
