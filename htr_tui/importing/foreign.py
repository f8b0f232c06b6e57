"""A study as found elsewhere, in our words, before it becomes a journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from htr_tui.journal.records import TrialState


class EpochValues(NamedTuple):
    """Metrics of one step, as the other tool told them."""

    epoch: int
    t: float
    """Unix seconds; 0.0 where the tool did not keep it."""
    values: dict[str, float]


@dataclass(slots=True)
class ForeignTrial:
    """One trial or run; what is not known is None or empty, never invented."""

    number: int
    state: TrialState
    """A `running` one is decided on (alive, or lost) when the journal is written."""
    params: dict[str, Any]
    label: str | None = None
    started: float | None = None
    ended: float | None = None
    last_seen: float | None = None
    """The last sign of life of a running one: a heartbeat, a metric, its start."""
    values: tuple[float, ...] = ()
    reported: dict[int, float] = field(default_factory=dict)
    """The objective by step."""
    metrics: list[EpochValues] = field(default_factory=list)
    """Everything told by step, the objective too."""
    final: dict[str, float] = field(default_factory=dict)
    """Metrics as they stood at the end."""
    constraints: tuple[float, ...] = ()
    category: str | None = None
    title: str | None = None
    """Why it failed, in the words of the other tool."""
    remarks: list[str] = field(default_factory=list)
    """What has no place of its own here, as attributes and tags."""


@dataclass(slots=True)
class ForeignStudy:
    """A whole study."""

    name: str
    directions: tuple[str, ...]
    objectives: tuple[str, ...]
    trials: list[ForeignTrial]
    constraints: tuple[str, ...] = ()
    space: dict[str, Any] = field(default_factory=dict)
    """Parameters by name in the form of a study file; empty where the tool does not keep ranges."""
    warnings: list[str] = field(default_factory=list)
    """What was left out or guessed, for the user to read."""
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listed:
    """A study of a source, for choosing."""

    name: str
    trials: int


class Choice(NamedTuple):
    """What the user says where a source does not: only MLflow leaves it open."""

    metric: str | None = None
    direction: str | None = None
    take: str = "best"
    """"best" or "last" value of the metric's history."""
