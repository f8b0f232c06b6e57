"""MLflow's runs from its tracking server, by MLflow's own client, which only asks here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from htr_tui.errors import StorageError
from htr_tui.importing.foreign import Listed
from htr_tui.importing.mlflow_runs import Point, StoredRun
from htr_tui.tracking.client import prepare_environment

PAGE = 1000


class ServerStore:
    """A tracking server by URL."""

    kind = "tracking server"

    def __init__(self, url: str, shown: str) -> None:
        self._shown = shown
        prepare_environment()
        from mlflow import MlflowClient

        for name in ("mlflow", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        with self._told():
            self._client: Any = MlflowClient(tracking_uri=url, registry_uri=url)

    def experiments(self) -> list[Listed]:
        """Experiments that are not deleted."""
        with self._told():
            return [
                Listed(str(found.name), sum(1 for _ in self._search(str(found.experiment_id))))
                for found in _pages(lambda token: self._client.search_experiments(max_results=PAGE, page_token=token))
            ]

    def runs(self, experiment: str) -> list[StoredRun]:
        """The runs of an experiment, with the whole history of every metric."""
        with self._told():
            found = self._client.get_experiment_by_name(experiment)
            runs = [self._run(run) for run in self._search(str(found.experiment_id))] if found is not None else []
        return sorted(runs, key=lambda run: (run.start_ms or 0, run.run_id))

    def _search(self, experiment_id: str) -> Iterator[Any]:
        return _pages(lambda token: self._client.search_runs([experiment_id], max_results=PAGE, page_token=token))

    def _run(self, run: Any) -> StoredRun:
        info, data = run.info, run.data
        points = [
            Point(str(m.key), float(m.value), int(m.timestamp or 0), int(m.step or 0))
            for name in data.metrics
            for m in self._client.get_metric_history(info.run_id, name)
        ]
        return StoredRun(
            run_id=str(info.run_id),
            name=str(data.tags.get("mlflow.runName") or info.run_name or ""),
            status=str(info.status),
            start_ms=info.start_time,
            end_ms=info.end_time or None,
            params=dict(data.params),
            tags=dict(data.tags),
            points=sorted(points, key=lambda p: (p.step, p.t_ms)),
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever MLflow or a socket raises, as ours."""
        try:
            yield
        except Exception as error:
            text = " ".join(str(error).split())[:300] or type(error).__name__
            raise StorageError(
                f"{self._shown} cannot be read", text,
                "check the address and that the server runs; a login goes into MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
            ) from error  # fmt: skip


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return
