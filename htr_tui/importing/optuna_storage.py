"""Opening an Optuna storage of any form and age for reading alone: copies are upgraded, originals never."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from alembic.migration import MigrationContext
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages._rdb.models import TrialHeartbeatModel
from optuna.storages.journal import BaseJournalBackend
from sqlalchemy.engine import Engine

from htr_tui.errors import StorageError
from htr_tui.importing import server
from htr_tui.importing.sources import Source
from htr_tui.search.database import TROUBLES, quiet


class Opened:
    """A storage that is only read, and what is to be said about it."""

    def __init__(self, storage: BaseStorage, kind: str, warnings: list[str] | None = None) -> None:
        self.storage = storage
        self.kind = kind
        self.warnings = warnings or []


@contextmanager
def open_optuna(source: Source) -> Iterator[Opened]:
    """The storage behind `source`, of a SQLite file a copy of our own; troubles come as StorageError."""
    with quiet():
        try:
            if source.form == "journal" and source.path:
                yield _open_journal(source.path)
            elif source.form == "sqlite" and source.path:
                with _open_copy(source) as opened:
                    yield opened
            else:
                with _open_server(source) as opened:
                    yield opened
        except TROUBLES as error:
            text = " ".join(str(error).split())[:300] or type(error).__name__
            raise StorageError(f"{source.shown} cannot be read as an Optuna storage", text) from error


class JournalLines(BaseJournalBackend):
    """The records of a JournalStorage file as they stand; there is nothing to lock, and nothing to append to."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The records from a number on."""
        return iter(self._records[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Refused."""
        raise StorageError("an imported storage is only read")


def _open_journal(path: Path) -> Opened:
    records: list[dict[str, Any]] = []
    torn = 0
    for line in path.read_bytes().split(b"\n"):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            torn += 1
            continue
        if isinstance(record, dict) and isinstance(record.get("op_code"), int):
            records.append(record)
        else:
            torn += 1
    storage, left_out = _replay(records)
    warnings = [f"{torn + left_out} records of {path.name} are torn or damaged and were left out"]
    return Opened(storage, "JournalStorage", warnings if torn + left_out else [])


def _replay(records: list[dict[str, Any]]) -> tuple[JournalStorage, int]:
    """All records at once; where one is damaged, one after the other without the damaged ones."""
    try:
        return JournalStorage(JournalLines(records)), 0
    except (AssertionError, AttributeError, *TROUBLES, TypeError, IndexError):
        pass
    kept: list[dict[str, Any]] = []
    backend = JournalLines(kept)
    storage = JournalStorage(backend)
    for record in records:
        try:
            storage._replay_result.apply_logs([record])
        except (AssertionError, AttributeError, *TROUBLES, TypeError, IndexError):
            continue
        kept.append(record)
    left_out = len(records) - len(kept)
    storage._replay_result.log_number_read = len(kept)
    return storage, left_out


@contextmanager
def _open_copy(source: Source) -> Iterator[Opened]:
    storage = RDBStorage(f"sqlite:///{source.path}", skip_compatibility_check=True, skip_table_creation=True)
    try:
        found, newest = storage.get_current_version(), storage.get_head_version()
        if found not in storage.get_all_versions():
            raise _too_new(source.shown, found)
        if found != newest:
            _upgrade(storage)
        yield Opened(storage, "SQLite" if found == newest else f"SQLite, schema {found}")
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _upgrade(storage: RDBStorage) -> None:
    """Bring a copy to the newest schema; a root handler keeps Optuna's migrations from setting up logging anew."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        storage.upgrade()
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def _open_server(source: Source) -> Iterator[Opened]:
    """A database that others use: asked for its schema before Optuna sees it, since Optuna would complete it."""
    engine = server.connect(source)
    try:
        found, newest = _schema(engine), _newest_schema()
        if found != newest:
            raise _other_schema(source, found, newest)
    finally:
        engine.dispose()
    storage = RDBStorage(source.url, engine_kwargs=server.engine_options(source), skip_table_creation=True)
    server.make_read_only(storage.engine)
    try:
        yield Opened(storage, storage.engine.dialect.name)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _schema(engine: Engine) -> str | None:
    with engine.connect() as connection:
        has_rows = all(
            sqlalchemy.inspect(connection).has_table(table)
            and connection.execute(sqlalchemy.text(f"SELECT 1 FROM {table}")).first()  # names of our own
            for table in ("version_info", "alembic_version")
        )
        return MigrationContext.configure(connection).get_current_revision() if has_rows else None


def _newest_schema() -> str:
    storage = RDBStorage("sqlite://")
    try:
        return storage.get_head_version()
    finally:
        storage.engine.dispose()


def _too_new(place: str, found: str) -> StorageError:
    return StorageError(
        f"{place} was made by a newer Optuna",
        f"its schema is {found}; Optuna {optuna.__version__} is installed here",
        "raise Optuna here: pip install -U optuna",
    )


def _other_schema(source: Source, found: str | None, newest: str) -> StorageError:
    return StorageError(
        f"{source.shown} has another schema than Optuna {optuna.__version__} reads",
        f"found {found or 'none'}, needed {newest}; a database on a server is never upgraded from here",
        "take it aside as a file and import that, as with optuna.copy_study(from_study_name=..., from_storage=URL, "
        "to_storage='sqlite:///copy.db') in the Optuna that made it; or, if nobody needs the old schema any more, "
        "`optuna storage upgrade --storage URL`",
    )


def heartbeats(storage: BaseStorage, trial_ids: list[int]) -> dict[int, float]:
    """The last sign of life by trial, in Unix seconds, where the storage keeps any."""
    if not isinstance(storage, RDBStorage) or not trial_ids:
        return {}
    table, wanted = TrialHeartbeatModel.__table__, set(trial_ids)
    with storage.engine.connect() as connection:
        rows = connection.execute(sqlalchemy.select(table.c.trial_id, table.c.heartbeat)).all()
    return {int(trial_id): t.replace(tzinfo=UTC).timestamp() for trial_id, t in rows if trial_id in wanted}
