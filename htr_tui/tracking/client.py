"""MLflow behind a few verbs; importing it costs seconds, so only making a `MlflowStore` does."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from htr_tui.tracking.plan import ENDED, Point

MAX_POINTS = 1000
MAX_TEXTS = 100
"""Limits of one `log_batch`; all kinds together may not exceed `MAX_POINTS`."""

KEY, KIND, TRIAL, PARENT = "htr_tui.key", "htr_tui.kind", "htr_tui.trial", "mlflow.parentRunId"

ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
"""Short waits (we try again ourselves), and nothing sent to anybody but the tracking store."""


class StoreFailure(Exception):
    """The store cannot be reached, is broken, or lost what we remember; to be tried again."""


class RunGone(StoreFailure):
    """Somebody deleted the run."""


class Refused(Exception):
    """The store will never take this piece."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One of our runs, as the store knows it."""

    run_id: str
    kind: str
    trial: int | None
    status: str


class TrackingStore(Protocol):
    """What the mirror asks of a tracking store; every method raises StoreFailure or Refused only."""

    def experiment(self, name: str) -> str:
        """The id of the experiment, made or restored if need be."""

    def study_runs(self, experiment_id: str, key: str) -> list[RunFacts]:
        """The runs of a study that are not deleted, oldest first."""

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str], start_ms: int) -> str:
        """A new run, RUNNING; its id."""

    def log(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Tell metrics, parameters and tags."""

    def latest(self, run_id: str) -> dict[str, Point]:
        """The newest point of every metric of a run."""

    def history(self, run_id: str, name: str) -> list[Point]:
        """All points of a metric."""

    def set_status(self, run_id: str, status: str, end_ms: int | None) -> None:
        """Change a run's status; an end has a time."""

    def rename(self, run_id: str, name: str) -> None:
        """Change a run's name."""

    def delete_run(self, run_id: str) -> None:
        """Delete a run; one that is gone already is fine."""


class MlflowStore:
    """A tracking store of MLflow, by URI."""

    def __init__(self, uri: str) -> None:
        with _translated():
            from mlflow import MlflowClient

            for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
                logging.getLogger(name).setLevel(logging.ERROR)
            self._client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def experiment(self, name: str) -> str:
        """The id of the experiment; one that somebody deleted is restored, for its name is taken."""
        with _translated():
            found = self._client.get_experiment_by_name(name)
            if found is None:
                return str(self._client.create_experiment(name))
            if found.lifecycle_stage == "deleted":
                self._client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)

    def study_runs(self, experiment_id: str, key: str) -> list[RunFacts]:
        """All pages of the search."""
        found: list[RunFacts] = []
        token: str | None = None
        with _translated():
            while True:
                page = self._client.search_runs(
                    [experiment_id],
                    filter_string=f"tags.`{KEY}` = '{key}'",
                    max_results=1000,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
                found += [_facts(run) for run in page]
                token = page.token
                if not token:
                    return found

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str], start_ms: int) -> str:
        """A new run, RUNNING; its id."""
        with _translated():
            run = self._client.create_run(experiment_id, start_time=start_ms, tags=dict(tags), run_name=name)
            return str(run.info.run_id)

    def log(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """In batches as large as MLflow takes them."""
        from mlflow.entities import Metric, Param, RunTag

        texts: list[Any] = [*(Param(k, v) for k, v in params.items()), *(RunTag(k, v) for k, v in tags.items())]
        with _translated():
            for chunk in _chunks(texts, MAX_TEXTS):
                of_kind = [[item for item in chunk if isinstance(item, kind)] for kind in (Param, RunTag)]
                self._client.log_batch(run_id, params=of_kind[0], tags=of_kind[1])
            for points_chunk in _chunks(points, MAX_POINTS):
                metrics = [Metric(p.name, p.value, p.t_ms, p.step) for p in points_chunk]
                self._client.log_batch(run_id, metrics=metrics)

    def latest(self, run_id: str) -> dict[str, Point]:
        """The newest point of every metric of a run."""
        with _translated():
            metrics = self._client.get_run(run_id).to_proto().data.metrics
            return {m.key: Point(m.key, m.value, m.timestamp, m.step) for m in metrics}

    def history(self, run_id: str, name: str) -> list[Point]:
        """All points of a metric."""
        with _translated():
            points = self._client.get_metric_history(run_id, name)
            return [Point(p.key, p.value, p.timestamp, p.step) for p in points]

    def set_status(self, run_id: str, status: str, end_ms: int | None) -> None:
        """Change a run's status; an end has a time."""
        with _translated():
            if status in ENDED:
                self._client.set_terminated(run_id, status=status, end_time=end_ms)
            else:
                self._client.update_run(run_id, status=status)

    def rename(self, run_id: str, name: str) -> None:
        """Change a run's name."""
        with _translated():
            self._client.update_run(run_id, name=name)

    def delete_run(self, run_id: str) -> None:
        """Delete a run; one that is gone already is fine."""
        try:
            with _translated():
                self._client.delete_run(run_id)
        except RunGone:
            return


def prepare_environment() -> None:
    """Settings that MLflow reads when it is imported; to be called before anything imports it."""
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI"):
        os.environ.pop(name, None)
    os.environ.update(ENVIRONMENT)


def _facts(run: Any) -> RunFacts:
    number = run.data.tags.get(TRIAL, "")
    return RunFacts(
        run_id=str(run.info.run_id),
        kind=str(run.data.tags.get(KIND, "")),
        trial=int(number) if number.isdecimal() else None,
        status=str(run.info.status),
    )


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[begin : begin + size] for begin in range(0, len(items), size))


@contextmanager
def _translated() -> Iterator[None]:
    """Turns whatever MLflow, SQLAlchemy or a socket raises into our two kinds of trouble."""
    try:
        yield
    except Exception as error:
        text = " ".join(str(error).split())[:500] or type(error).__name__
        code = getattr(error, "error_code", None)
        if code == "RESOURCE_DOES_NOT_EXIST" or "must be in the 'active' state" in text:
            raise RunGone(text) from error
        if code == "INVALID_PARAMETER_VALUE":
            raise Refused(text) from error
        raise StoreFailure(f"{type(error).__name__}: {text}") from error
