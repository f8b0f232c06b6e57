"""What the supervisor knows of a running attempt: its metrics by epoch, read on from its events."""

from __future__ import annotations

from typing import Any

from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.metrics.events import (
    CollectedEvent,
    EndEvent,
    Event,
    EventsReader,
    MetricsEvent,
    StartEvent,
    all_events,
    merge_epochs,
)
from htr_tui.study.objective_spec import Objective
from htr_tui.supervisor.collecting import LAST_WORD_S, STOPPED_LAST_WORD_S, AttemptCollector
from htr_tui.supervisor.decide import best_epoch

LATE_EPOCHS = 1
"""How many epochs the objective of a foreign source may lag behind its other metrics."""


def resume_chain(trial: TrialRecord, attempt: AttemptRecord) -> list[AttemptRecord]:
    """The attempts whose epochs the given one goes on from, oldest first, itself last."""
    by_number = {a.number: a for a in trial.attempts}
    chain = [attempt]
    while (before := chain[0].resume_from) is not None and before in by_number and before < chain[0].number:
        chain.insert(0, by_number[before])
    return chain


class AttemptTracker:
    """Follows one attempt; can be made anew at any time, for it holds only what files say."""

    def __init__(
        self,
        paths: StudyPaths,
        trial: TrialRecord,
        attempt: AttemptRecord,
        objectives: tuple[Objective, ...],
        collector: AttemptCollector | None = None,
    ) -> None:
        self.trial = trial.number
        self.attempt = attempt.number
        self.paths = paths.attempt(trial.number, attempt.number)
        self.epochs: int | None = None
        self.start_params: dict[str, Any] = {}
        self.end_status: str | None = None
        self.own: dict[int, dict[str, float]] = {}
        """Metrics by epoch, of this attempt."""
        self._objectives = [(o, o.expression) for o in objectives]
        self._names = frozenset(name for _, expression in self._objectives for name in expression.names)
        self._collector = collector or AttemptCollector(None)
        self._collected: frozenset[str] = frozenset()
        self._skipped = 0
        self._is_over = False
        self._values_change = False
        """Whether metrics of the objective were seen to change within an epoch."""
        self._reader = EventsReader(self.paths.events)
        earlier = resume_chain(trial, attempt)[:-1]
        events = (all_events(paths.attempt(trial.number, old.number).events) for old in earlier)
        self._earlier = {m.epoch: m.values for m in merge_epochs(events)}
        self.poll()

    @property
    def skipped(self) -> int:
        """Lines of events, and pieces of a foreign source, that could not be taken."""
        return self._skipped + self._collector.skipped

    @property
    def trouble(self) -> str:
        """Why the foreign source gave nothing (more), in words; empty where all is well."""
        return self._collector.trouble

    def poll(self) -> bool:
        """Collect and read on; True if a new epoch was reported."""
        before = len(self.own)
        self._collector.collect()
        self._read()
        return len(self.own) != before

    def finish(self, *, is_stopped: bool = False) -> bool:
        """Once the attempt is over: bring on its last values; False while they have to be waited for.

        `is_stopped`: it was ended by us, so its end means the same without them.
        """
        patience_s = STOPPED_LAST_WORD_S if is_stopped else LAST_WORD_S
        is_complete = self._collector.finish(self._collected, patience_s)
        self._read()
        self._is_over = is_complete or self._collector.finish(self._collected, patience_s)
        return self._is_over

    def _read(self) -> None:
        while True:
            batch = self._reader.read()
            for event in batch.events:
                self._take(event)
            self._skipped += batch.skipped
            if not batch.more:
                return

    def reportable(self, before: int | None) -> list[int]:
        """Epochs after `before` that are ready to be judged, in their order.

        A trainer of ours tells all of an epoch at once. A foreign source may bring the values of an epoch one after
        the other, from several files, or change them until it is over: an epoch waits a little for its objective,
        the newest one for the next where values change, and nothing longer than the attempt's end.
        """
        epochs = sorted(epoch for epoch in self.own if before is None or epoch > before)
        if not epochs or not self._collector.is_foreign or self._is_over:
            return epochs
        is_steady = len(self.own) > 1 and not self._values_change
        settled = epochs if is_steady else epochs[:-1]
        valued = max((epoch for epoch in settled if self.report(epoch) is not None), default=-1)
        newest = epochs[-1]
        return [epoch for epoch in settled if epoch <= valued or epoch < newest - LATE_EPOCHS]

    def _take(self, event: Event) -> None:
        if isinstance(event, MetricsEvent):
            known = self.own.setdefault(event.epoch, {})
            if event.source and any(known.get(n, v) != v for n, v in event.values.items() if n in self._names):
                self._values_change = True
            known.update(event.values)
        elif isinstance(event, CollectedEvent):
            self._collected |= {event.source}
        elif isinstance(event, StartEvent):
            self.epochs = event.epochs or self.epochs
            self.start_params = dict(event.params)
        elif isinstance(event, EndEvent):
            self.end_status = event.status

    @property
    def epoch(self) -> int | None:
        """The newest epoch with metrics, in this attempt."""
        return max(self.own, default=None)

    def history(self) -> dict[int, dict[str, float]]:
        """Metrics by epoch over the attempts it goes on from; what this attempt reported wins."""
        if not self.own:
            return dict(self._earlier)
        first = min(self.own)
        return {e: v for e, v in sorted(self._earlier.items()) if e < first} | dict(sorted(self.own.items()))

    def report(self, epoch: int) -> float | None:
        """The (first) objective at an epoch; None while a metric is missing."""
        return self._objectives[0][1].evaluate(self.own[epoch])

    def result(self) -> tuple[tuple[float | None, ...], int | None, dict[str, float]]:
        """(objectives, the epoch that counts for the first, the metrics of that epoch)."""
        history = self.history()
        values: list[float | None] = []
        chosen: int | None = None
        for objective, expression in self._objectives:
            points = [(e, v) for e, metrics in history.items() if (v := expression.evaluate(metrics)) is not None]
            best = best_epoch(points, objective.direction, objective.source)
            values.append(None if best is None else best[1])
            if best is not None and chosen is None:
                chosen = best[0]
        if chosen is None:
            chosen = max(history, default=None)
        return tuple(values), chosen, history.get(chosen, {}) if chosen is not None else {}

    def missing_metrics(self) -> tuple[str, ...]:
        """Names in the objectives that no epoch ever reported."""
        known = {name for metrics in self.history().values() for name in metrics}
        return tuple(sorted({n for _, expression in self._objectives for n in expression.names} - known))
