"""Parameters that somebody gives for one trial: checked against the study's space, completed where they imply others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from htr_tui.errors import UsageError
from htr_tui.study.conditions import contradiction, implied
from htr_tui.study.forms import nearest, shown
from htr_tui.study.forms import value as value_form
from htr_tui.study.parameters import fitting, range_text
from htr_tui.study.search_spec import SearchSpec


def pinned_parameters(search: SearchSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` as the study holds it; UsageError if a name is unknown, a value out of range, or two contradict.

    A conditional parameter brings the others to the values that its `when` names first.
    """
    for name in given:
        if name not in search.parameters:
            guess = nearest(name, search.parameters)
            raise UsageError(
                f"the study has no parameter {name!r}",
                f"it has {', '.join(search.parameters)}",
                f"did you mean {guess}?" if guess else "",
            )
    if search.experiments:
        return {name: _of_experiments(search, name, value) for name, value in given.items()}
    fitted = {name: _of_space(search, name, value) for name, value in given.items()}
    whole = implied(search.space, fitted)
    if clash := contradiction(search.space, whole):
        name, parent = clash
        wanted = ", ".join(shown(value) for value in search.space[name].when[parent])
        raise UsageError(
            f"{name} is only there when {parent} is {wanted}",
            f"{parent} is {shown(whole.get(parent))}",
            "leave one out",
        )
    return {name: whole[name] for name in search.space if name in whole}


def _of_space(search: SearchSpec, name: str, value: Any) -> Any:
    parameter = search.space[name]
    found = fitting(parameter, value)
    if found is None:
        raise UsageError(f"{name} cannot be {shown(value)}", f"it is {range_text(parameter)}")
    return found


def _of_experiments(search: SearchSpec, name: str, value: Any) -> Any:
    """Experiments list values, not ranges: any other value of the same kind will do."""
    try:
        value = value_form(value)
    except PydanticCustomError as error:
        raise UsageError(f"{name} cannot be {shown(value)}", str(error)) from None
    listed = [item.params[name] for item in search.experiments if name in item.params]
    listed += [v for item in search.experiments for v in search.repeats_of(item).get(name, ())]
    kinds = {_kind(v) for v in listed}
    if _kind(value) not in kinds:
        raise UsageError(f"{name} cannot be {shown(value)}", f"the experiments give it {' or '.join(sorted(kinds))}")
    return value


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    return {int: "numbers", float: "numbers", str: "text"}.get(type(value), "lists")
