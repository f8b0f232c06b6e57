"""Optuna's SQLite file of a study with very many trials, written in one go: Optuna itself would take minutes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial

from htr_tui.journal.fold import StudyFold
from htr_tui.search.distributions import study_distributions
from htr_tui.search.translation import frozen_trial
from htr_tui.study.spec import StudySpec

TABLES = {
    "trials": ("trial_id", "number", "study_id", "state", "datetime_start", "datetime_complete"),
    "trial_params": ("trial_id", "param_name", "param_value", "distribution_json"),
    "trial_values": ("trial_id", "objective", "value", "value_type"),
    "trial_intermediate_values": ("trial_id", "step", "intermediate_value", "intermediate_value_type"),
    "trial_user_attributes": ("trial_id", "key", "value_json"),
}


def fill_storage(path: Path, spec: StudySpec, fold: StudyFold) -> None:
    """Write what the supervisor would have told Optuna about every trial of the fold."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    optuna.create_study(
        storage=storage,
        study_name=spec.study,
        directions=[optuna.study.StudyDirection[name.upper()] for name in fold.facts.directions],
    )
    storage.engine.dispose()
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
    distributions = study_distributions(spec.search)
    for number, trial in fold.trials.items():
        frozen = frozen_trial(trial, None, len(fold.facts.directions), distributions, {})
        for table, row in rows_of(frozen, number):
            rows[table].append(row)
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, columns in TABLES.items():
            places = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows[table])


def rows_of(frozen: FrozenTrial, number: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """One trial as rows of Optuna's tables; values are finite in a study that was built."""
    key = number + 1
    times = [str(t) if t is not None else None for t in (frozen.datetime_start, frozen.datetime_complete)]
    yield "trials", (key, number, 1, frozen.state.name, *times)
    for name, value in frozen.params.items():
        distribution = frozen.distributions[name]
        yield "trial_params", (key, name, distribution.to_internal_repr(value), distribution_to_json(distribution))
    for objective, value in enumerate(frozen.values or ()):
        yield "trial_values", (key, objective, value, "FINITE")
    for step, value in frozen.intermediate_values.items():
        yield "trial_intermediate_values", (key, step, value, "FINITE")
    for name, content in frozen.user_attrs.items():
        yield "trial_user_attributes", (key, name, str(content) if isinstance(content, int) else f'"{content}"')
