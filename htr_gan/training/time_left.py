"""How long a training will still take, from what its steps and validations took in this process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TimeLeft:
    """Sums of seconds; the first step of a process is left out, as most of it is the tracing of the graph."""

    steps: int = 0
    step_s: float = 0.0
    validations: int = 0
    validation_s: float = 0.0

    def take_steps(self, steps: int, seconds: float) -> None:
        """Steps that were done."""
        self.steps += steps
        self.step_s += seconds

    def take_validation(self, seconds: float) -> None:
        """What follows the steps of an epoch."""
        self.validations += 1
        self.validation_s += seconds

    def seconds(self, steps: int, epochs: int) -> float | None:
        """For so many steps and the ends of so many epochs; None before anything is known."""
        if not self.steps:
            return None
        closing = self.validation_s / self.validations if self.validations else 0.0
        return steps * self.step_s / self.steps + epochs * closing


def clock(seconds: float) -> str:
    """As 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
