"""The `metrics` key of the study file: where a trainer's metrics come from."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator

from htr_tui.study import forms

PLANNED_METRICS: Final = ("log", "json", "csv", "tensorboard", "mlflow")


def _metrics(value: Any) -> Any:
    name = next(iter(value), None) if isinstance(value, dict) else value
    if name in PLANNED_METRICS:
        raise forms.form_error(f"metrics from {name!r} are planned, not yet supported", allowed="events")
    if value != "events":
        suggestion = forms.nearest(name, ("events",)) if isinstance(name, str) else ""
        raise forms.form_error(f"found {forms.shown(value)}", allowed="events", suggestion=suggestion)
    return value


MetricsSource = Annotated[Literal["events"], BeforeValidator(_metrics)]
