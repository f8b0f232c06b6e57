"""The parameters of a search, and the bounded types that the study file is made of."""

from __future__ import annotations

import json
import math
import sys
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Strict,
    Tag,
    model_validator,
)
from pydantic import StringConstraints as Constraints

from htr_tui.study import forms

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Whole = Annotated[int, Strict()]
Count = Annotated[Whole, Field(ge=1, le=1_000_000)]
NotNegative = Annotated[Whole, Field(ge=0, le=1_000_000)]
Switch = Annotated[bool, Strict()]
Value = Annotated[Any, PlainValidator(forms.value)]
"""A parameter's value: true or false, a finite number, text, or a list of such."""
Token = Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$"), BeforeValidator(forms.command_token)]
Line = Annotated[str, Constraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_./-]{0,199}$")]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]


LARGEST = sys.float_info.max
"""Beyond it a whole number is no float."""


class Section(BaseModel):
    """A mapping of the study file: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True)


Wanted = Annotated[
    tuple[Value, ...],
    Field(min_length=1, max_length=1000),
    BeforeValidator(lambda v: v if isinstance(v, list) else [v]),
]


class ParameterSection(Section):
    """What all kinds of parameters have in common."""

    when: Annotated[dict[ParameterName, Wanted], Field(max_length=20)] = {}
    """Only in trials where other parameters have these values; a list means one of them."""


class FloatParameter(ParameterSection):
    """A range of real numbers."""

    bounds: Annotated[tuple[Number, Number], Field(alias="float")]
    """Lowest and highest value."""
    log: Switch = False
    """Draw from the logarithm: as many values between 1 and 10 as between 10 and 100."""
    step: Positive | None = None
    """Only values at this distance from the lowest."""

    @property
    def low(self) -> float:
        """Lowest value."""
        return self.bounds[0]

    @property
    def high(self) -> float:
        """Highest value."""
        return self.bounds[1]

    @model_validator(mode="after")
    def _check(self) -> FloatParameter:
        _check_range(self.low, self.high, self.log, self.step, "float")
        return self


class IntParameter(ParameterSection):
    """A range of whole numbers."""

    bounds: Annotated[tuple[Whole, Whole], Field(alias="int")]
    """Lowest and highest value, both included."""
    log: Switch = False
    """Draw from the logarithm."""
    step: Count = 1
    """Only values at this distance from the lowest."""

    @property
    def low(self) -> int:
        """Lowest value."""
        return self.bounds[0]

    @property
    def high(self) -> int:
        """Highest value."""
        return self.bounds[1]

    @model_validator(mode="after")
    def _check(self) -> IntParameter:
        if max(abs(self.low), abs(self.high)) > 2**53:
            raise forms.form_error("is too large", allowed="whole numbers up to 2^53", path=("int",))
        _check_range(self.low, self.high, self.log, self.step if self.step != 1 else None, "int")
        return self


class CategoricalParameter(ParameterSection):
    """One of a list of values."""

    choices: Annotated[tuple[Value, ...], Field(alias="categorical", min_length=1, max_length=10_000)]
    """The values."""

    @model_validator(mode="after")
    def _check(self) -> CategoricalParameter:
        for index, value in enumerate(self.choices):
            if value in self.choices[:index] or stored_form(value) in map(stored_form, self.choices[:index]):
                raise forms.form_error(
                    f"{forms.shown(value)} is given twice", allowed="each value once", path=("categorical", index)
                )
        return self


class FixedParameter(ParameterSection):
    """The same value in every trial; a plain value in the space means this."""

    value: Annotated[Value, Field(alias="fixed")]
    """The value."""


def _parameter_tag(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return {
            FloatParameter: "<float>",
            IntParameter: "<int>",
            CategoricalParameter: "<categorical>",
            FixedParameter: "<fixed>",
        }.get(type(value))
    return next((f"<{name}>" for name in forms.PARAMETER_FORMS if isinstance(value, dict) and name in value), None)


Parameter = FloatParameter | IntParameter | CategoricalParameter | FixedParameter
ParameterField = Annotated[
    Annotated[
        Annotated[FloatParameter, Tag("<float>")]
        | Annotated[IntParameter, Tag("<int>")]
        | Annotated[CategoricalParameter, Tag("<categorical>")]
        | Annotated[FixedParameter, Tag("<fixed>")],
        Discriminator(_parameter_tag),
    ],
    BeforeValidator(forms.parameter),
]


def stored_form(value: Any) -> Any:
    """A value as databases of trials hold it: they know no lists, so a list is its JSON text."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple) else value


def same_value(a: Any, b: Any) -> bool:
    """Equal, and not `true` beside 1."""
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def fitting(parameter: Parameter, value: Any) -> Any:
    """`value` as the parameter holds it; None if it is outside of its range, off its steps or none of its choices."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
    match parameter:
        case FloatParameter():
            return float(value) if is_number and _in_range(parameter, value) else None
        case IntParameter():
            whole = is_number and value == int(value) and parameter.low <= value <= parameter.high
            return int(value) if whole and (int(value) - parameter.low) % parameter.step == 0 else None
        case CategoricalParameter():
            return next((choice for choice in parameter.choices if same_value(choice, value)), None)
    return parameter.value if same_value(parameter.value, value) else None


def _in_range(parameter: FloatParameter, value: float) -> bool:
    if not parameter.low <= value <= parameter.high:
        return False
    steps = 0.0 if parameter.step is None else (value - parameter.low) / parameter.step
    return abs(steps - round(steps)) < 1e-8 * max(1.0, steps)


def range_text(parameter: Parameter) -> str:
    """What a parameter can be, for people."""
    match parameter:
        case FloatParameter() | IntParameter():
            kind = "a whole number" if isinstance(parameter, IntParameter) else "a number"
            step = f" in steps of {parameter.step}" if parameter.step not in (None, 1) else ""
            return f"{kind} from {parameter.low} to {parameter.high}{step}"
        case CategoricalParameter():
            texts = [json.dumps(choice, ensure_ascii=False) for choice in parameter.choices[:20]]
            return "one of " + ", ".join(texts) + (", ..." if len(parameter.choices) > 20 else "")
    return json.dumps(parameter.value, ensure_ascii=False)


def _check_range(low: float, high: float, log: bool, step: float | None, key: str) -> None:
    """Raise if a range is empty or cannot be drawn from."""
    if low >= high:
        raise forms.form_error(
            f"the lowest value {low} is not below the highest {high}",
            allowed="[low, high] with low < high",
            path=(key,),
        )
    if not math.isfinite(high - low):
        raise forms.form_error("the range is wider than a number can be", path=(key,))
    if log and low <= 0:
        raise forms.form_error(f"log needs a lowest value above 0, found {low}", allowed="low > 0", path=(key, 0))
    if log and step is not None:
        raise forms.form_error("log and step together", allowed="one of them", path=("step",))
    if step is not None and step > high - low:
        raise forms.form_error(
            f"the step {step} is wider than the range", allowed=f"at most {high - low}", path=("step",)
        )
