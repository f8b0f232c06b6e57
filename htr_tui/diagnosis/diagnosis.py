"""One thing that a study's trials tell together, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""error: the study cannot give a result like this; warning: part of it is lost; info: it could give more."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The fields are the JSON of `htr-tui diagnose`."""

    code: str
    severity: Severity
    title: str
    text: str
    """What was seen, with its numbers."""
    trials: tuple[int, ...] = ()
    """Numbers of the trials that it is about."""
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """The stable JSON form."""
        return {
            "code": self.code,
            "severity": self.severity,
            "title": self.title,
            "text": self.text,
            "trials": list(self.trials),
            "remedy": self.remedy,
        }
