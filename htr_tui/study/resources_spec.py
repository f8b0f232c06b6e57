"""The budget and resources sections of the study file: how much, how long, on what."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from htr_tui.study import forms
from htr_tui.study.parameters import Count, Positive, Section, Whole


class BudgetSpec(Section):
    """When a study is finished."""

    trials: Count | None = None
    """How many trials; a grid or a list of experiments is finished earlier."""
    hours: Positive | None = None
    """Hours after which no new trial starts."""


class ResourcesSpec(Section):
    """What a study may use of the machine."""

    gpus: Annotated[str | int | tuple[int | str, ...], BeforeValidator(forms.gpus)] = "auto"
    """`auto` (all that are there), `none`, how many, or a list of indices or UUIDs."""
    trials_per_gpu: Annotated[Whole, Field(ge=1, le=64)] = 1
    """Trials that share one GPU."""
    parallel: Annotated[Whole, Field(ge=1, le=1024)] = 1
    """Trials that run at the same time, at most."""
