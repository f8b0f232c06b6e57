"""Folds made by hand: what a check should see, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from htr_tui.journal.fold import StudyFold

NOW = 1_800_000_000.0
BEGIN = NOW - 10 * 86400


class Made:
    """A study whose trials are added one by one."""

    def __init__(
        self,
        *,
        space: dict[str, Any] | None = None,
        directions: Sequence[str] = ("maximize",),
        imported: str | None = None,
    ) -> None:
        self.fold = StudyFold()
        self._number = 0
        source = {"url": "x", "kind": imported, "study": "theirs"} if imported else None
        self._add(
            "study_created", study="made", directions=list(directions), objectives=["score", "size"][: len(directions)],
            space=space or {}, imported=source, constraints=["peak_gpu_bytes < 8e9"],
        )  # fmt: skip

    def _add(self, event: str, **fields: Any) -> None:
        self.fold.apply({"t": BEGIN, "event": event, **fields})

    def trial(
        self, state: str = "complete", value: float | Sequence[float] | None = None, *,
        params: dict[str, Any] | None = None, reported: dict[int, float] | None = None, category: str | None = None,
        constraints: Sequence[float] = (), t: float = BEGIN,
    ) -> None:  # fmt: skip
        """One more trial, its life told in the events of a journal."""
        number, self._number = self._number, self._number + 1
        ids = {"trial": number, "attempt": 1}
        self._add("trial_created", trial=number, params=params or {})
        if state == "queued":
            return
        self._add("attempt_started", **ids, **{"t": t})
        for step, at_step in (reported or {}).items():
            self._add("attempt_reported", **ids, epoch=step, value=at_step)
        if state == "running":
            return
        values = [] if value is None else [value] if isinstance(value, int | float) else list(value)
        ended = "lost" if category == "lost" else state
        self._add("attempt_ended", **ids, state=ended, ended=t + 600, category=category)
        self._add(
            "trial_ended", trial=number, state=state, values=values, category=category, constraints=list(constraints)
        )

    def trials(self, count: int, state: str = "complete", **more: Any) -> Made:
        """Several alike."""
        for _ in range(count):
            self.trial(state, **more)
        return self
