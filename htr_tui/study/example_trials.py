"""Trials that a study could have, to look at before it runs: the middle of each range, the first of each choice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from htr_tui.study.conditions import choosing_order, implied, is_active
from htr_tui.study.parameters import CategoricalParameter, FixedParameter, FloatParameter, IntParameter, Parameter
from htr_tui.study.search_spec import SearchSpec

MAX_EXAMPLES: Final = 8


@dataclass(frozen=True, slots=True)
class ExampleTrial:
    """One set of parameters, and what it is an example of."""

    label: str
    params: dict[str, Any]


def example_trials(search: SearchSpec) -> list[ExampleTrial]:
    """One trial, and one more for each set of parameters that only other trials have; at most `MAX_EXAMPLES`."""
    found: list[ExampleTrial] = []
    for example in _of_experiments(search) if search.experiments else _of_space(search.space):
        if all(set(example.params) != set(known.params) for known in found):
            found.append(example)
        if len(found) == MAX_EXAMPLES:
            break
    return found


def _of_experiments(search: SearchSpec) -> Iterator[ExampleTrial]:
    for item in search.experiments:
        repeated = {name: values[0] for name, values in search.repeats_of(item).items()}
        yield ExampleTrial(item.name, {**item.params, **repeated})


def _of_space(space: Mapping[str, Parameter]) -> Iterator[ExampleTrial]:
    first = _completed(space, {})
    yield ExampleTrial("the middle of each range", first)
    for name, parameter in space.items():
        if name not in first:
            yield ExampleTrial(f"with {name}", _completed(space, implied(space, {name: middle(parameter)})))


def _completed(space: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name in choosing_order(space):
        if is_active(space[name], params):
            params[name] = given.get(name, middle(space[name]))
    return {name: params[name] for name in space if name in params}


def middle(parameter: Parameter) -> Any:
    """A value in the middle of the range, in few digits; the first choice."""
    match parameter:
        case FloatParameter():
            low, high = parameter.low, parameter.high
            value = math.sqrt(low) * math.sqrt(high) if parameter.log else low + (high - low) / 2
            if parameter.step is not None:
                value = low + round((value - low) / parameter.step) * parameter.step
            return min(max(float(f"{value:.4g}"), low), high)
        case IntParameter():
            low, high = parameter.low, parameter.high
            whole = round(math.sqrt(low * high)) if parameter.log else (low + high) // 2
            return low + (whole - low) // parameter.step * parameter.step
        case CategoricalParameter():
            return parameter.choices[0]
        case FixedParameter():
            return parameter.value
