"""MLflow's runs as they are stored, whichever store they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from htr_tui.importing.foreign import Listed

PARENT = "mlflow.parentRunId"


class Point(NamedTuple):
    """One value of a metric."""

    metric: str
    value: float
    t_ms: int
    step: int


@dataclass(slots=True)
class StoredRun:
    """A run that is not deleted."""

    run_id: str
    name: str
    status: str
    """RUNNING, SCHEDULED, FINISHED, FAILED or KILLED."""
    start_ms: int | None
    end_ms: int | None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)


class RunStore(Protocol):
    """What is asked of an MLflow store; all of it only reads."""

    kind: str
    """The store's form, for the user."""

    def experiments(self) -> list[Listed]:
        """Experiments that are not deleted, with the number of their runs."""

    def runs(self, experiment: str) -> list[StoredRun]:
        """The runs of an experiment by name, oldest first."""
