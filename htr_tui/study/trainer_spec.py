"""The trainer section of the study file: what is run for a trial."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from htr_tui.study.metrics_spec import MetricsSource
from htr_tui.study.parameters import Line, Number, ParameterName, Section, Token, Variable

PLACEHOLDERS: Final = (
    "attempt_dir", "overrides", "study", "trial", "attempt", "params_file", "overrides_file", "resume_dir", "python",
)  # fmt: skip
"""Words in braces that a command may use besides the names of parameters."""


class TrainerSpec(Section):
    """What is run for a trial."""

    command: Annotated[tuple[Token, ...], Field(min_length=1, max_length=1000)]
    """The trainer's command as a list of words; no shell reads it. Words in braces are replaced."""
    env: dict[Variable, Token] = {}
    """Environment variables added to the trainer's."""
    metrics: MetricsSource = "events"
    """Where metrics come from: `events`, the file that `HTR_TUI_EVENTS` names."""
    knobs: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")], ParameterName] = {}
    """What a fix may turn, by the name of the trainer's own parameter, as `batch: train.batch`."""
    reports: tuple[Line, ...] | None = None
    """The metrics that the trainer reports; the objective is checked against them when given."""
    grace_s: Annotated[Number, Field(ge=1, le=86_400)] = 120.0
    """Seconds between the request to stop (SIGTERM) and SIGKILL."""
