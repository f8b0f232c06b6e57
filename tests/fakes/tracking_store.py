"""A tracking store in memory with MLflow's manners, that can fail or die at any call."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from htr_tui.tracking.client import KEY, KIND, PARENT, TRIAL, Refused, RunFacts, RunGone, StoreFailure
from htr_tui.tracking.plan import Point

T = TypeVar("T")


class Killed(BaseException):
    """The mirror's process died here."""


@dataclass
class FakeRun:
    run_id: str
    name: str
    tags: dict[str, str]
    start_ms: int
    status: str = "RUNNING"
    end_ms: int | None = None
    params: dict[str, str] = field(default_factory=dict)
    points: list[tuple[str, float | str, int, int]] = field(default_factory=list)
    is_deleted: bool = False


class FakeStore:
    """Counts calls; `before` and `after` may raise around each of them."""

    def __init__(self) -> None:
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, FakeRun] = {}
        self.calls = 0
        self.is_down = False
        self.before: Callable[[int], None] = lambda _: None
        self.after: Callable[[int], None] = lambda _: None
        self.refuses: Callable[[str], bool] = lambda _: False
        """Names of points, parameters and tags that are never taken."""
        self._made = 0

    def active(self, kind: str) -> list[FakeRun]:
        return [run for run in self.runs.values() if run.tags[KIND] == kind and not run.is_deleted]

    def trial(self, number: int) -> FakeRun:
        (run,) = [run for run in self.active("trial") if run.tags[TRIAL] == str(number)]
        return run

    def content(self) -> dict[tuple[str, str], Any]:
        """All that is there, run ids left out; two runs of a kind and trial are an error."""
        found: dict[tuple[str, str], Any] = {}
        for run in self.runs.values():
            if run.is_deleted:
                continue
            place = (run.tags[KIND], run.tags.get(TRIAL, ""))
            assert place not in found, f"two runs of {place}"
            assert len(run.points) == len(set(run.points)), f"a point twice in {place}"
            tags = {k: v for k, v in run.tags.items() if k not in (PARENT, "htr_tui.run_id")}
            assert PARENT not in run.tags or not self.runs[run.tags[PARENT]].is_deleted
            found[place] = (run.name, run.status, run.params, tags, sorted(run.points, key=str), run.end_ms)
        return found

    # -- TrackingStore ---------------------------------------------------------------------------------------------

    def experiment(self, name: str) -> str:
        return self._call(lambda: self.experiments.setdefault(name, str(len(self.experiments) + 1)))

    def study_runs(self, experiment_id: str, key: str) -> list[RunFacts]:
        def search() -> list[RunFacts]:
            return [
                RunFacts(r.run_id, r.tags[KIND], int(r.tags[TRIAL]) if TRIAL in r.tags else None, r.status)
                for r in self.runs.values()
                if r.tags[KEY] == key and not r.is_deleted
            ]

        return self._call(search)

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str], start_ms: int) -> str:
        def create() -> str:
            self._made += 1
            run = FakeRun(f"run{self._made}", name, dict(tags), start_ms)
            self.runs[run.run_id] = run
            return run.run_id

        return self._call(create)

    def log(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        def log() -> None:
            run = self._run(run_id)
            if any(self.refuses(name) for name in (*params, *tags, *(p.name for p in points))):
                raise Refused("refused")
            if any(run.params.get(name, text) != text for name, text in params.items()):
                raise Refused("changing params is not allowed")
            run.params.update(params)
            run.tags.update(tags)
            for p in points:
                point = (p.name, "nan" if math.isnan(p.value) else p.value, p.t_ms, p.step)
                if point not in run.points:
                    run.points.append(point)

        self._call(log)

    def latest(self, run_id: str) -> dict[str, Point]:
        def look() -> dict[str, Point]:
            points = sorted(self._points(run_id), key=lambda p: (p.step, p.t_ms))
            return {point.name: point for point in points}

        return self._call(look)

    def history(self, run_id: str, name: str) -> list[Point]:
        return self._call(lambda: [point for point in self._points(run_id) if point.name == name])

    def _points(self, run_id: str) -> list[Point]:
        return [Point(name, float(value), t, step) for name, value, t, step in self._run(run_id).points]

    def set_status(self, run_id: str, status: str, end_ms: int | None) -> None:
        def change() -> None:
            run = self._run(run_id)
            run.status, run.end_ms = status, end_ms

        self._call(change)

    def rename(self, run_id: str, name: str) -> None:
        self._call(lambda: setattr(self._run(run_id), "name", name))

    def delete_run(self, run_id: str) -> None:
        self._call(lambda: setattr(self.runs[run_id], "is_deleted", True))

    def _run(self, run_id: str) -> FakeRun:
        run = self.runs.get(run_id)
        if run is None or run.is_deleted:
            raise RunGone(run_id)
        return run

    def _call(self, action: Callable[[], T]) -> T:
        self.calls += 1
        if self.is_down:
            raise StoreFailure("connection refused")
        self.before(self.calls)
        result = action()
        self.after(self.calls)
        return result
