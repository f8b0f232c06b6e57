"""Conditions on a number, written as `>= 70`; parsed, never evaluated."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

_SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_FORM = re.compile(r"\s*(>=|<=|==|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """A sign and a number; NaN meets no condition."""

    sign: str
    bound: float

    def holds(self, value: float) -> bool:
        """Whether `value` meets the condition."""
        return _SIGNS[self.sign](value, self.bound)


def parse_condition(text: str) -> Condition:
    """The condition in `text`; ValueError says what form is expected."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f'{text!r} is not a condition; write a sign and a number, such as ">= 70" or "<= 2.5"')
    return Condition(found[1], float(found[2]))


def _readable(conditions: dict[str, str]) -> dict[str, str]:
    for text in conditions.values():
        parse_condition(text)
    return conditions


Conditions = Annotated[dict[str, str], AfterValidator(_readable)]
"""Columns and what their numbers must meet, as in `{contrast: ">= 70"}`."""
