"""MLflow's runs from its database, by its tables alone.

MLflow's own client would first bring the database to its newest schema. The columns that are read here are in every
release since 1.0, so neither a file nor a server has to be changed or upgraded.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import sqlalchemy
from sqlalchemy.engine import Engine

from htr_tui.errors import StorageError
from htr_tui.importing.foreign import Listed
from htr_tui.importing.mlflow_runs import Point, StoredRun

TABLES = frozenset({"experiments", "runs", "params", "metrics", "tags"})

_EXPERIMENTS = """
SELECT e.name, count(r.run_uuid) FROM experiments e
LEFT JOIN runs r ON r.experiment_id = e.experiment_id AND r.lifecycle_stage = 'active'
WHERE e.lifecycle_stage = 'active' GROUP BY e.experiment_id, e.name ORDER BY e.experiment_id
"""
_RUNS = """
SELECT r.run_uuid, r.name, r.status, r.start_time, r.end_time FROM runs r
JOIN experiments e ON e.experiment_id = r.experiment_id
WHERE e.name = :name AND e.lifecycle_stage = 'active' AND r.lifecycle_stage = 'active'
ORDER BY r.start_time, r.run_uuid
"""
_OF_RUNS = """
SELECT x.run_uuid, x.{columns} FROM {table} x JOIN runs r ON r.run_uuid = x.run_uuid
JOIN experiments e ON e.experiment_id = r.experiment_id
WHERE e.name = :name AND e.lifecycle_stage = 'active' AND r.lifecycle_stage = 'active'
"""


class DatabaseStore:
    """A database of MLflow behind an engine."""

    def __init__(self, engine: Engine, kind: str) -> None:
        self._engine = engine
        self.kind = kind

    def experiments(self) -> list[Listed]:
        """Experiments that are not deleted."""
        return [Listed(str(name), int(count)) for name, count in self._rows(_EXPERIMENTS)]

    def runs(self, experiment: str) -> list[StoredRun]:
        """The runs of an experiment."""
        found = {
            str(run_id): StoredRun(str(run_id), str(name or ""), str(status or ""), _whole(start), _whole(end))
            for run_id, name, status, start, end in self._rows(_RUNS, experiment)
        }
        for run, key, value in self._of_runs(found, "params", ("key", "value"), experiment):
            run.params[str(key)] = str(value)
        for run, key, value in self._of_runs(found, "tags", ("key", "value"), experiment):
            run.tags[str(key)] = str(value)
        columns = ("key", "value", "timestamp", "step", "is_nan")
        points: dict[str, list[Point]] = defaultdict(list)
        for run, key, value, t_ms, step, is_nan in self._of_runs(found, "metrics", columns, experiment):
            number = math.nan if is_nan else _unlimited(float(value))
            points[run.run_id].append(Point(str(key), number, _whole(t_ms) or 0, int(step or 0)))
        for run_id, told in points.items():
            found[run_id].points = sorted(told, key=lambda p: (p.step, p.t_ms))
        for run in found.values():
            run.name = run.tags.get("mlflow.runName") or run.name
        return list(found.values())

    def _of_runs(
        self, found: dict[str, StoredRun], table: str, columns: tuple[str, ...], experiment: str
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a table, each with its run; a run that began just now is left for the next time."""
        quote = self._engine.dialect.identifier_preparer.quote_identifier  # `key` is a word of MySQL's
        names = ", x.".join(quote(column) for column in columns)
        rows = self._rows(_OF_RUNS.format(columns=names, table=table), experiment)
        return ((found[str(run_id)], *rest) for run_id, *rest in rows if str(run_id) in found)

    def _rows(self, statement: str, experiment: str | None = None) -> list[Any]:
        try:
            with self._engine.connect() as connection:
                values = {} if experiment is None else {"name": experiment}
                return list(connection.execute(sqlalchemy.text(statement), values))
        except sqlalchemy.exc.SQLAlchemyError as error:
            text = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
            raise StorageError("MLflow's database cannot be read", text) from error


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _unlimited(value: float) -> float:
    """MLflow keeps infinities as the largest numbers."""
    return math.copysign(math.inf, value) if abs(value) >= 1.7976931348623157e308 else value
