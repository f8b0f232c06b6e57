"""A study whose journal is folded for real, beside Optuna's storage in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna

from htr_tui.journal.fold import StudyFold
from htr_tui.search.making import Asked
from htr_tui.search.store import SearchStore
from htr_tui.study.search_spec import SearchSpec

TPE: dict[str, Any] = {
    "sampler": {"tpe": {"seed": 7, "n_startup_trials": 3}},
    "space": {
        "lr": {"float": [0.001, 1.0], "log": True},
        "width": {"int": [1, 8]},
        "norm": {"categorical": ["batch", "layer"]},
        "epochs": 6,
    },
}


@dataclass
class Bench:
    """The journal of a study and new stores on its storage."""

    path: Path
    spec: SearchSpec
    directions: tuple[str, ...] = ("maximize",)
    fold: StudyFold = field(default_factory=StudyFold)
    opened: list[SearchStore] = field(default_factory=list)
    clock: float = 1_760_000_000.0

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def store(self, timeout_s: float = 5.0) -> SearchStore:
        """A store as a new process would have it."""
        store = SearchStore(self.spec, self.directions, self.url, "bench", timeout_s=timeout_s)
        self.opened.append(store)
        return store

    def log(self, event: str, **fields: Any) -> None:
        self.clock += 1.0
        skipped = self.fold.skipped
        self.fold.apply({"t": self.clock, "event": event, **fields})
        assert self.fold.skipped == skipped, (event, fields)

    def created(self, asked: Asked | None) -> int:
        assert asked is not None
        self.log("trial_created", trial=asked.number, params=asked.params, label=asked.label, by=asked.by)
        return asked.number

    def started(self, number: int) -> None:
        attempts = self.fold.trials[number].attempts
        self.log("attempt_started", trial=number, attempt=len(attempts) + 1)

    def reported(self, number: int, epoch: int, value: float) -> None:
        attempt = len(self.fold.trials[number].attempts)
        self.log("attempt_reported", trial=number, attempt=attempt, epoch=epoch, epochs=6, value=value)

    def ended(self, number: int, state: str, values: list[float] | None = None, category: str | None = None) -> None:
        attempt = len(self.fold.trials[number].attempts)
        self.log("attempt_ended", trial=number, attempt=attempt, state=state, category=category)
        self.log("trial_ended", trial=number, state=state, values=values or [], category=category)

    def frozen(self) -> list[optuna.trial.FrozenTrial]:
        """The trials as a plain Optuna client sees them."""
        storage = optuna.storages.RDBStorage(self.url)
        try:
            return optuna.load_study(study_name="bench", storage=storage).get_trials()
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def seen(self) -> list[tuple[Any, ...]]:
        """All of Optuna's trials that the journal decides."""
        return [
            (t.number, t.state.name, t.params, t.values, t.intermediate_values, t.user_attrs) for t in self.frozen()
        ]
