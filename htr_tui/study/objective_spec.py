"""The objective of the study file: what a trial is worth."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from htr_tui.study import forms
from htr_tui.study.expression import Expression
from htr_tui.study.parameters import Line, Section


class Objective(Section):
    """What a trial is worth."""

    maximize: Line | None = None
    """An expression over metric names that shall be large."""
    minimize: Line | None = None
    """An expression over metric names that shall be small."""
    source: Annotated[Literal["best", "last"], Field(alias="from")] = "best"
    """The epoch that counts: the best one or the last one."""

    @model_validator(mode="after")
    def _check(self) -> Objective:
        if (self.maximize is None) == (self.minimize is None):
            raise forms.form_error("needs one of maximize and minimize", allowed='maximize: "expression"')
        try:
            Expression.parse(self.text)
        except ValueError as error:
            allowed = "metric names, numbers, + - * / **, parentheses, min max abs log exp sqrt"
            raise forms.form_error(f"{self.text!r}: {error}", allowed=allowed, path=(self.direction,)) from None
        return self

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way is better."""
        return "maximize" if self.maximize is not None else "minimize"

    @property
    def text(self) -> str:
        """The expression as written."""
        return self.maximize or self.minimize or ""

    @property
    def expression(self) -> Expression:
        """The expression, parsed."""
        return Expression.parse(self.text)


Objectives = Annotated[tuple[Objective, ...], Field(min_length=1, max_length=8), BeforeValidator(forms.objectives)]
