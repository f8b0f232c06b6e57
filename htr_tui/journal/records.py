"""Frozen records of a study's state; what the fold makes and every reader gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

TrialState = Literal["queued", "running", "complete", "pruned", "failed", "stopped"]
AttemptState = Literal["running", "complete", "pruned", "failed", "stopped", "lost"]
StudyState = Literal["running", "paused", "stopped", "finished", "interrupted"]

TRIAL_STATES: Final[tuple[TrialState, ...]] = ("queued", "running", "complete", "pruned", "failed", "stopped")
END_STATES: Final[frozenset[TrialState]] = frozenset({"complete", "pruned", "failed"})

ALLOWED_CHANGES: Final[dict[TrialState, frozenset[TrialState]]] = {
    "queued": frozenset({"running", "failed", "stopped"}),
    "running": frozenset({"queued", "complete", "pruned", "failed", "stopped"}),
    "stopped": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
    "pruned": frozenset({"queued"}),
    "complete": frozenset(),
}
"""From state to states. running -> queued is a retry; failed/pruned/stopped -> queued is the user's (or a continue)."""


@dataclass(frozen=True, slots=True)
class AttemptRequest:
    """The next attempt of a queued trial: why it is made and what differs from the trial's parameters."""

    reason: Literal["first", "retry", "continue"] = "first"
    fix: str | None = None
    """Name of the fix of a finding that this attempt applies."""
    set: dict[str, Any] = field(default_factory=dict)
    """Overrides of parameters, over the trial's own and those of earlier attempts."""
    env: dict[str, str] = field(default_factory=dict)
    fresh: bool = False
    """Start from nothing, although an earlier attempt left a checkpoint."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One process run of a trial."""

    number: int
    state: AttemptState
    reason: str = "first"
    fix: str | None = None
    set: dict[str, Any] = field(default_factory=dict)
    """All overrides in force in this attempt (the search parameters not repeated)."""
    env: dict[str, str] = field(default_factory=dict)
    resume_from: int | None = None
    """The attempt whose checkpoint this one goes on from."""
    devices: tuple[str, ...] = ()
    slot: int = 0
    started: float | None = None
    ended: float | None = None
    stopping: str | None = None
    """Why its end was asked for: stop, now, prune, abort (a rule struck), window (closed); None if nobody did."""
    seconds: float | None = None
    """How long it ran, by a clock that nobody sets; None while it runs and where only `started` and `ended` are known."""
    epoch: int | None = None
    epochs: int | None = None
    values: dict[str, float] = field(default_factory=dict)
    """Metrics of the epoch that counts for the objective, as told at the attempt's end."""
    exit_code: int | None = None
    signal: int | None = None
    category: str | None = None
    """Category of its finding; None when nothing failed."""
    title: str | None = None
    suggested_fix: str | None = None
    """The first fix of its finding that can be applied."""
    peak_rss_bytes: int | None = None
    peak_gpu_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One set of parameters; `number` is Optuna's."""

    number: int
    state: TrialState
    params: dict[str, Any]
    label: str | None = None
    """Name of the experiment, where the study lists named ones."""
    by: str | None = None
    """Who made it, if not the search: "hand" or "warm_start"."""
    created: float | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    request: AttemptRequest | None = None
    """What a queued trial waits for; kept by one that was stopped while it waited."""
    value: float | None = None
    values: tuple[float, ...] = ()
    """One value per objective, once complete."""
    constraints: tuple[float, ...] = ()
    """One number per constraint of the study, once complete; at most 0 where it is kept."""
    category: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    reported: Mapping[int, float] = field(default_factory=dict)
    """Objective by epoch, as given to the pruner."""
    ended: float | None = None

    @property
    def last_attempt(self) -> AttemptRecord | None:
        """The newest attempt, if any was started."""
        return self.attempts[-1] if self.attempts else None

    @property
    def is_feasible(self) -> bool:
        """Whether it keeps every constraint; so does one of a study without any."""
        return all(value <= 0 for value in self.constraints)

    def seconds(self, now: float) -> float | None:
        """Seconds spent in attempts so far; None before the first."""
        if not self.attempts:
            return None
        return sum(
            a.seconds
            if a.seconds is not None
            else max(0.0, (a.ended if a.ended is not None else now) - (a.started or 0.0))
            for a in self.attempts
        )

    @property
    def peak_rss_bytes(self) -> int | None:
        """Largest resident memory over its attempts, in bytes."""
        return max((a.peak_rss_bytes for a in self.attempts if a.peak_rss_bytes is not None), default=None)

    @property
    def peak_gpu_bytes(self) -> int | None:
        """Largest GPU memory over its attempts, in bytes; None where nothing was measured."""
        return max((a.peak_gpu_bytes for a in self.attempts if a.peak_gpu_bytes is not None), default=None)


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a study starts nothing new."""

    by: str
    """"user", or "failures": the study paused by itself."""
    message: str
    t: float


@dataclass(frozen=True, slots=True)
class Origin:
    """The trial of another study that a study runs again."""

    study: str
    trial: int


@dataclass(frozen=True, slots=True)
class ForeignSource:
    """Where an imported study comes from."""

    url: str
    """Without its password."""
    kind: str
    """"optuna" or "mlflow", with what was found out about its form."""
    study: str
    """Its name there."""


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What `study_created` says; enough for every reader that does not launch."""

    study: str = ""
    created: float = 0.0
    source: str = ""
    source_sha256: str = ""
    trials: int | None = None
    hours: float | None = None
    objectives: tuple[str, ...] = ()
    directions: tuple[str, ...] = ("maximize",)
    parameters: tuple[str, ...] = ()
    tracking_uri: str | None = None
    experiment: str | None = None
    storage: str | None = None
    constraints: tuple[str, ...] = ()
    space: dict[str, Any] = field(default_factory=dict)
    """Parameters as the study file (or the import) defines them, by name."""
    promoted_from: Origin | None = None
    imported: ForeignSource | None = None
    """Set for a study that was only read from elsewhere: nothing can be run in it."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user should know about the study."""

    t: float
    level: str
    message: str
    trial: int | None = None


class Report(NamedTuple):
    """One `attempt_reported`."""

    trial: int
    attempt: int
    epoch: int
    epochs: int | None
    value: float | None
