"""The resources section of the study file: what a study may use of the machine."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from htr_tui.study import forms
from htr_tui.study.parameters import Positive, Section, Switch, Whole


def _parallel(value: Any) -> int | str:
    """A number of trials, or `auto`."""
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1024:
        suggestion = forms.nearest(value, ("auto",)) if isinstance(value, str) else ""
        raise forms.form_error(
            f"found {forms.shown(value)}", allowed="a whole number from 1 to 1024, or auto", suggestion=suggestion
        )
    return value


class ResourcesSpec(Section):
    """What a study may use of the machine."""

    gpus: Annotated[str | int | tuple[int | str, ...], BeforeValidator(forms.gpus)] = "auto"
    """`auto` (all that are visible), `none`, how many at the same time, or a list of indices or UUIDs of cards or MIG
    instances."""
    trials_per_gpu: Annotated[Whole, Field(ge=1, le=64)] = 1
    """Trials that share one GPU, at most; memory decides how many really do."""
    parallel: Annotated[int | Literal["auto"], BeforeValidator(_parallel)] = 1
    """Trials that run at the same time, at most; `auto` is as many as GPUs, cores and memory hold."""
    expect_gpu_gb: Annotated[Positive, Field(le=10_000)] | None = None
    """GPU memory that a trial takes at its peak, in GB, until finished trials have shown it."""
    share: Switch = False
    """Whether trials of other studies that say the same may use the same GPU when its memory suffices."""
    cores: Annotated[Whole, Field(ge=1, le=4096)] | None = None
    """Processor cores that a trial keeps busy; together the running trials get no more than there are."""
    memory_gb: Annotated[Positive, Field(le=100_000)] | None = None
    """Main memory that a trial takes at its peak, in GB; with `parallel: auto` what finished trials took when left out."""
