"""Conditional parameters: which of them a trial has, given the others, and in which order they are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from htr_tui.study.parameters import Parameter, fitting, same_value

Space = Mapping[str, Parameter]


def is_active(parameter: Parameter, params: Mapping[str, Any]) -> bool:
    """Whether a trial with these parameters, chosen before, has this one too."""
    return all(
        name in params and any(same_value(params[name], value) for value in wanted)
        for name, wanted in parameter.when.items()
    )


def choosing_order(space: Space) -> tuple[str, ...]:
    """All names, each after those that it depends on, otherwise in the order of the file.

    Parameters in a circle, which the checks refuse, come last.
    """
    order: dict[str, None] = {}
    waiting = list(space)
    while waiting:
        ready = [name for name in waiting if all(parent in order or parent not in space for parent in space[name].when)]
        if not ready:
            break
        order[ready[0]] = None
        waiting.remove(ready[0])
    return (*order, *waiting)


def circle(space: Space) -> tuple[str, ...]:
    """Names of parameters that depend on each other in a circle, one after the other; empty if none do."""
    order = choosing_order(space)
    settled: set[str] = set()
    for name in order:
        if any(parent in space and parent not in settled for parent in space[name].when):
            return _walk(space, name, settled)
        settled.add(name)
    return ()


def _walk(space: Space, name: str, settled: set[str]) -> tuple[str, ...]:
    path = [name]
    while True:
        name = next(parent for parent in space[name].when if parent in space and parent not in settled)
        if name in path:
            return tuple(path[path.index(name) :])
        path.append(name)


def implied(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` with the values that others must have for these to be there: the first that `when` names."""
    result = dict(params)
    waiting = list(params)
    while waiting:
        for parent, wanted in space[waiting.pop()].when.items():
            if parent not in result:
                result[parent] = fitting(space[parent], wanted[0])
                waiting.append(parent)
    return result


def contradiction(space: Space, params: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first given parameter that cannot be there with the others, and the one that forbids it."""
    for name in params:
        for parent, wanted in space[name].when.items():
            if parent not in params or not any(same_value(params[parent], value) for value in wanted):
                return name, parent
    return None
