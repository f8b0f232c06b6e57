"""The `metrics` key of the study file: where a trainer's metrics come from."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from htr_tui.metrics.json_source import keys_of
from htr_tui.metrics.log_source import EPOCH, STEP, PatternError, compile_pattern, finds_metrics
from htr_tui.study import forms
from htr_tui.study.parameters import Line, Section, Whole

FirstEpoch = Annotated[Whole, Field(ge=0, le=1)]
Names = Annotated[tuple[Line, ...], Field(max_length=100), BeforeValidator(lambda v: _listed(v))]
Key = Annotated[Whole, Field(ge=-1_000_000, le=1_000_000)] | Line


class EventsMetrics(Section):
    """The file that `HTR_TUI_EVENTS` names: a trainer that knows our protocol."""

    kind: Literal["events"] = "events"


class LogMetrics(Section):
    """Regular expressions over the trainer's output."""

    kind: Literal["log"] = "log"
    pattern: Annotated[tuple[Line, ...], Field(min_length=1, max_length=50), BeforeValidator(lambda v: _listed(v))]
    """One or several regular expressions with named groups."""
    path: Line | None = None
    """Another file than the trainer's output."""
    epoch: Literal["step", "count"] | None = None
    """`step`: the step is the epoch; `count`: the n-th value of a name is of epoch n."""
    first_epoch: FirstEpoch = 1
    """What the trainer calls its first epoch, 0 or 1."""

    @property
    def compiled(self) -> tuple[re.Pattern[str], ...]:
        """The patterns, compiled."""
        return tuple(compile_pattern(text) for text in self.pattern)

    @model_validator(mode="after")
    def _check(self) -> LogMetrics:
        groups = "groups (?P<epoch>...), (?P<step>...), (?P<name>...) with (?P<value>...), (?P<metric>...)"
        compiled = []
        for index, text in enumerate(self.pattern):
            try:
                compiled.append(compile_pattern(text))
            except PatternError as error:
                message = f"the pattern {forms.shown(text)} {error}"
                raise forms.form_error(message, allowed=groups, path=("pattern", index)) from None
        if not any(finds_metrics(pattern) for pattern in compiled):
            raise forms.form_error("finds epochs and steps, but no metric", allowed=groups, path=("pattern",))
        has_pairs = any("name" in pattern.groupindex for pattern in compiled)
        if self.epoch == STEP and not has_pairs and not any(STEP in pattern.groupindex for pattern in compiled):
            raise forms.form_error(
                "epoch: step needs a pattern with the group step", allowed="(?P<step>[0-9]+)", path=("epoch",)
            )
        if self.first_epoch == 0 and self.epoch is None and not has_pairs and not _has_epoch(compiled):
            raise forms.form_error(
                "nothing tells an epoch that could begin at 0", allowed="(?P<epoch>[0-9]+) in a pattern",
                path=("first_epoch",),
            )  # fmt: skip
        return self


class JsonMetrics(Section):
    """A JSON file that the trainer writes anew, or appends objects to."""

    kind: Literal["json"] = "json"
    path: Line
    """The file."""
    at: Annotated[tuple[Key, ...], BeforeValidator(lambda v: _keys(v)), Field(max_length=20)] = ()
    """Where in it the metrics are: `history.0.metrics`, or a list of keys and indices."""
    epoch: Line | None = None
    """The key that tells the epoch, or `step`, or `count`."""
    first_epoch: FirstEpoch = 1
    """What the trainer calls its first epoch, 0 or 1."""


class CsvMetrics(Section):
    """A table that the trainer appends to, or writes anew."""

    kind: Literal["csv"] = "csv"
    path: Line
    """The file."""
    epoch: Line | None = None
    """The column that tells the epoch, or `step`, or `count`."""
    first_epoch: FirstEpoch = 1
    """What the trainer calls its first epoch, 0 or 1."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[^\r\n\x00\"]$")] | None = None
    """The character between the cells."""


class TensorboardMetrics(Section):
    """The event files of a TensorBoard folder."""

    kind: Literal["tensorboard"] = "tensorboard"
    path: Line
    """The folder; folders below it become the beginning of the names."""
    epoch: Line = "step"
    """`step`, `count`, or the tag whose value is the epoch."""
    first_epoch: FirstEpoch = 1
    """What the trainer calls its first epoch, 0 or 1."""
    only: Names = ()
    """The names that are taken, as patterns."""


class MlflowMetrics(Section):
    """The MLflow run that the trainer logs to."""

    kind: Literal["mlflow"] = "mlflow"
    epoch: Line = "step"
    """`step`, `count`, or the metric whose value is the epoch."""
    first_epoch: FirstEpoch = 1
    """What the trainer calls its first epoch, 0 or 1."""
    only: Names = ()
    """The names that are taken, as patterns."""


AnyMetrics = EventsMetrics | LogMetrics | JsonMetrics | CsvMetrics | TensorboardMetrics | MlflowMetrics

SOURCES: Final[dict[str, type[Section]]] = {
    "events": EventsMetrics,
    "log": LogMetrics,
    "json": JsonMetrics,
    "csv": CsvMetrics,
    "tensorboard": TensorboardMetrics,
    "mlflow": MlflowMetrics,
}
_MAIN_KEYS: Final = {"log": "pattern", "json": "path", "csv": "path", "tensorboard": "path"}
"""What a source's plain text means, and what it cannot be without."""
ALLOWED: Final = "events, mlflow, {log: REGEX}, {json: PATH}, {csv: PATH}, {tensorboard: FOLDER}, with options {csv: {path: PATH, ...}}"


def _metrics(value: Any) -> Any:
    """`events`, `{csv: path}` and `{csv: {path: ..., epoch: ...}}` in one form."""
    if isinstance(value, BaseModel):
        return value
    if isinstance(value, str):
        if value in _MAIN_KEYS:
            raise forms.form_error(f"{value!r} does not say which {_MAIN_KEYS[value]}", allowed=ALLOWED)
        value = {value: {}}
    if not isinstance(value, dict) or len(value) != 1:
        raise forms.form_error(f"must be one source, found {forms.shown(value)}", allowed=ALLOWED)
    name, options = next(iter(value.items()))
    if name not in SOURCES:
        nearest = forms.nearest(str(name), SOURCES)
        raise forms.form_error(f"unknown source {forms.shown(name)}", allowed=ALLOWED, suggestion=nearest, path=(name,))
    main_key = _MAIN_KEYS.get(name)
    if main_key is not None and isinstance(options, str | list):
        options = {main_key: options}
    if options is None and main_key is None:
        options = {}
    if not isinstance(options, dict):
        allowed = f"{{{name}: {(main_key or 'option').upper()}}} or a mapping of options"
        raise forms.form_error(f"found {forms.shown(options)}", allowed=allowed, path=(name,))
    if "kind" in options:
        raise forms.form_error("unknown key", path=(name, "kind"))
    return {**options, "kind": name}


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _keys(value: Any) -> Any:
    return keys_of(value) if isinstance(value, str) else value


def _has_epoch(patterns: list[re.Pattern[str]]) -> bool:
    return any(EPOCH in pattern.groupindex for pattern in patterns)


MetricsSource = Annotated[Annotated[AnyMetrics, Field(discriminator="kind")], BeforeValidator(_metrics)]
