"""The resources section of the study file: what a study may use of the machine."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from htr_tui.study import forms
from htr_tui.study.parameters import Section, Whole


class ResourcesSpec(Section):
    """What a study may use of the machine."""

    gpus: Annotated[str | int | tuple[int | str, ...], BeforeValidator(forms.gpus)] = "auto"
    """`auto` (all that are there), `none`, how many, or a list of indices or UUIDs."""
    trials_per_gpu: Annotated[Whole, Field(ge=1, le=64)] = 1
    """Trials that share one GPU."""
    parallel: Annotated[Whole, Field(ge=1, le=1024)] = 1
    """Trials that run at the same time, at most."""
