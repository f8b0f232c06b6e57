"""What triage is told and what it says: frozen records with the JSON shapes that scripts depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

CATEGORIES: Final = (
    "gpu_oom",
    "cudnn_rnn_mask",
    "cudnn_init",
    "host_oom",
    "shm",
    "gpu_missing",
    "gpu_hardware",
    "nan_loss",
    "ctc",
    "shape_mismatch",
    "data_missing",
    "data_corrupt",
    "checkpoint_mismatch",
    "disk_full",
    "import_error",
    "bad_config",
    "tracking_error",
    "distributed",
    "preempted",
    "crash",
    "none",
)
"""Every category that a finding can have."""


@dataclass(frozen=True, slots=True)
class ExitFacts:
    """How a trainer ended, from outside its log."""

    exit_code: int | None = None
    """As a parent sees it: negative for a signal, or 128 + signal from a shell."""
    signal: int | None = None
    oom_kills: int = 0
    """By how much the kernel's own counter of out-of-memory kills rose during the attempt."""
    stopped_by_us: bool = False
    """The stop, pruning or termination was asked for by the user or the supervisor."""
    completed: bool | None = None
    """The trainer said `end` with status complete (True) or another one (False); None if it said nothing."""


@dataclass(frozen=True)
class TriageContext:
    """What the study knows and the log does not."""

    params: Mapping[str, Any] = field(default_factory=dict)
    """Values in force: the `start` event's parameters under the attempt's overrides."""
    knobs: Mapping[str, str] = field(default_factory=dict)
    """Knob -> parameter key, from the study file; what is missing is guessed from `params`."""
    gpu_wanted: bool = False
    """The study asked for a GPU, so that lines about a missing one are no noise."""
    last_loss: float | None = None
    """The last value of the training loss (or objective); NaN makes a run a failed one."""
    other_gpu_bytes: int | None = None
    """GPU memory that processes of others held on the same card near the end, if NVML could tell."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line of the log that decided, counted from 1; line 0 is a fact from outside the log."""

    line: int
    text: str


@dataclass(frozen=True)
class Fix:
    """A change for the next attempt that a finding suggests."""

    name: str
    title: str
    set: dict[str, Any] = field(default_factory=dict)
    """Parameter key -> new value."""
    env: dict[str, str] = field(default_factory=dict)
    effect: str = ""
    """What it does to the mathematics of the run; the reason why not, where it cannot be applied."""
    applicable: bool = True
    """A new attempt with `set` and `env` can be started now, without a decision or hand of a person."""
    command: str | None = None
    """What a person can run, for fixes that are no change of the run."""

    def as_json(self) -> dict[str, Any]:
        """The stable JSON form."""
        return {
            "name": self.name,
            "title": self.title,
            "set": dict(self.set),
            "env": dict(self.env),
            "effect": self.effect,
            "applicable": self.applicable,
            "command": self.command,
        }

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> Fix:
        """Read what `as_json` wrote; what is missing or of a wrong type becomes its default."""
        return Fix(
            name=str(record.get("name", "")),
            title=str(record.get("title", "")),
            set=dict(_mapping(record.get("set"))),
            env={str(k): str(v) for k, v in _mapping(record.get("env")).items()},
            effect=str(record.get("effect", "")),
            applicable=record.get("applicable", True) is True,
            command=None if record.get("command") is None else str(record["command"]),
        )


@dataclass(frozen=True)
class Finding:
    """The root cause of a failure, or `none`."""

    category: str
    confidence: float
    """Between 0 and 1."""
    title: str
    evidence: tuple[Evidence, ...] = ()
    explanation: str = ""
    fixes: tuple[Fix, ...] = ()
    path: str = ""

    @property
    def suggested_fix(self) -> Fix | None:
        """The first fix that can be applied."""
        return next((fix for fix in self.fixes if fix.applicable), None)

    def as_json(self) -> dict[str, Any]:
        """The stable JSON form."""
        return {
            "path": self.path,
            "category": self.category,
            "confidence": round(self.confidence, 2),
            "title": self.title,
            "evidence": [{"line": e.line, "text": e.text} for e in self.evidence],
            "explanation": self.explanation,
            "fixes": [fix.as_json() for fix in self.fixes],
        }

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> Finding:
        """Read what `as_json` wrote; survives files of other versions and garbage."""
        confidence = record.get("confidence")
        return Finding(
            category=str(record.get("category", "crash")),
            confidence=float(confidence) if isinstance(confidence, int | float) else 0.0,
            title=str(record.get("title", "")),
            evidence=tuple(
                Evidence(e["line"] if isinstance(e.get("line"), int) else 0, str(e.get("text", "")))
                for e in _mappings(record.get("evidence"))
            ),
            explanation=str(record.get("explanation", "")),
            fixes=tuple(Fix.from_json(fix) for fix in _mappings(record.get("fixes"))),
            path=str(record.get("path", "")),
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
