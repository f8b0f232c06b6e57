"""A study that happens line by line: journal and events as supervisor and trainer would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from htr_tui.files import LineAppender, write_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.identity import ProcessIdentity


class Story:
    """Each call appends; the clock goes on by a second a line."""

    def __init__(self, root: Path, uri: str | None = "fake:", trials: int = 10, **created: Any) -> None:
        self.paths = StudyPaths(root)
        self.paths.trials.mkdir(parents=True)
        self._journal = LineAppender(self.paths.journal, durable=False)
        self.t = 1_760_000_000.0
        self.add(
            "study_created", schema=1, study=root.name, budget={"trials": trials}, directions=["maximize"],
            objectives=["val/psnr"], parameters=["a"], tracking_uri=uri, experiment="experiments of mine", **created,
        )  # fmt: skip

    def add(self, event: str, **fields: Any) -> None:
        self.t += 1
        self._journal.append({"t": self.t, "event": event, **fields})

    def supervise(self, *, alive: bool = True) -> None:
        identity = ProcessIdentity.current().as_json()
        if not alive:
            identity["ticks"] += 1
        write_json(self.paths.supervisor, identity)
        self.add("supervisor_started", **identity)

    def create(self, trial: int, label: str | None = None, **params: Any) -> None:
        self.add("trial_created", trial=trial, params=params or {"a": trial}, label=label, set={})

    def start(self, trial: int, attempt: int = 1, **fields: Any) -> None:
        self.add("attempt_started", trial=trial, attempt=attempt, **fields)
        self.paths.attempt(trial, attempt).root.mkdir(parents=True)

    def report(self, trial: int, attempt: int, epoch: int, **values: Any) -> None:
        self.t += 1
        values = values or {"val/psnr": 10.0 + trial + epoch}
        self.event(trial, attempt, kind="metrics", epoch=epoch, step=epoch, values=values)
        value = next(iter(values.values()))
        self.add("attempt_reported", trial=trial, attempt=attempt, epoch=epoch, epochs=3, value=value)

    def event(self, trial: int, attempt: int, **fields: Any) -> None:
        events = LineAppender(self.paths.attempt(trial, attempt).events, durable=False)
        events.append({"t": self.t, **fields})
        events.close()

    def end(
        self, trial: int, attempt: int, state: str, value: float | None = None, category: str | None = None
    ) -> None:
        self.add(
            "attempt_ended", trial=trial, attempt=attempt, state=state, epoch=3, epochs=3, category=category,
            values={} if value is None else {"val/psnr": value},
        )  # fmt: skip
        values = [] if value is None else [value]
        self.add("trial_ended", trial=trial, state=state, values=values, category=category)

    def whole(self, trial: int, state: str = "complete", value: float | None = None) -> None:
        self.create(trial)
        self.start(trial)
        for epoch in (1, 2, 3):
            self.report(trial, 1, epoch)
        self.end(trial, 1, state, (13.0 + trial if value is None else value) if state == "complete" else None)

    def finish(self, reason: str = "finished") -> None:
        self.add("supervisor_ended", reason=reason)
