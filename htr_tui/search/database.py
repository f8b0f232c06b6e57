"""Opening Optuna's storage so that one writer and many readers get along, and telling its troubles in our words."""

from __future__ import annotations

import logging
import sqlite3
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url

from htr_tui.errors import StorageError


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna without its log lines and warnings: what matters of them is in our own errors."""
    optuna.logging.disable_propagation()
    optuna.logging.set_verbosity(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite storage; None for every other database."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def parse_url(storage: str) -> URL:
    """The storage's URL; StorageError if it is none."""
    try:
        return make_url(storage)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise StorageError("the storage is no database URL", storage, "for example sqlite:///runs/optuna.db") from None


def open_storage(url: URL, timeout_s: float) -> RDBStorage:
    """Optuna's storage behind `url`; a SQLite file is made where missing, with readers never blocking the writer."""
    path = sqlite_path(url)
    if path is None:
        options: dict[str, Any] = {"pool_pre_ping": True}
        if url.get_backend_name() == "postgresql":
            options["connect_args"] = {"connect_timeout": max(2, round(timeout_s))}
        return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Left over from a database that somebody removed; SQLite would put its pages into the new one.
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    with closing(sqlite3.connect(path, timeout=timeout_s)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    check_writable(path, timeout_s)
    storage = RDBStorage(
        url.render_as_string(hide_password=False), engine_kwargs={"connect_args": {"timeout": timeout_s}}
    )
    sqlalchemy.event.listen(storage.engine, "connect", _set_pragmas)
    storage.engine.dispose()  # the constructor's own connection has no pragmas
    return storage


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def check_writable(path: Path, timeout_s: float) -> None:
    """Raise sqlite3.Error if the database cannot be written within the time.

    Asked before each change, because Optuna tries five times with pauses to create a trial in a locked database.
    """
    with closing(sqlite3.connect(path, timeout=timeout_s, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def rename_study(storage: RDBStorage, old: str, new: str) -> None:
    """Give a study another name, in one transaction. Optuna has no call for it; the table is as old as Optuna."""
    with storage.engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("UPDATE studies SET study_name = :new WHERE study_name = :old"), {"new": new, "old": old}
        )


def count_trials(storage: RDBStorage, study_id: int) -> int:
    """How many trials a study has. Optuna would read those that have not ended, with all that belongs to them."""
    with storage.engine.connect() as connection:
        query = sqlalchemy.text("SELECT COUNT(*) FROM trials WHERE study_id = :id")
        return int(connection.execute(query, {"id": study_id}).scalar_one())


def reopen_trials(storage: RDBStorage, trial_ids: list[int]) -> None:
    """Make finished trials running ones without values, in one transaction. Optuna has no call for it either."""
    with storage.engine.begin() as connection:
        for trial_id in trial_ids:
            connection.execute(sqlalchemy.text("DELETE FROM trial_values WHERE trial_id = :id"), {"id": trial_id})
            connection.execute(
                sqlalchemy.text("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE trial_id = :id"),
                {"id": trial_id},
            )


def forget_steps(storage: RDBStorage, trial_id: int, steps: Iterable[int]) -> None:
    """Take intermediate values of a running trial away, in one transaction."""
    statement = sqlalchemy.text("DELETE FROM trial_intermediate_values WHERE trial_id = :id AND step = :step")
    with storage.engine.begin() as connection:
        connection.execute(statement, [{"id": trial_id, "step": step} for step in steps])


TROUBLES = (
    optuna.exceptions.OptunaError,
    sqlalchemy.exc.SQLAlchemyError,
    sqlite3.Error,
    OSError,
    ImportError,
    KeyError,  # Optuna's answer to a study or trial that somebody deleted
    AssertionError,  # Optuna's answer to a database that is taken away while it is opened
    RuntimeError,  # Optuna's answer to a storage of another schema version
    ValueError,  # Optuna's answer to what does not go with the trials that are there
)


def storage_error(error: BaseException, action: str, url: URL) -> StorageError:
    """What went wrong while doing `action`, and the remedy."""
    text = _innermost(error)
    place = str(sqlite_path(url) or url.render_as_string(hide_password=True))
    return StorageError(f"Optuna's storage: cannot {action}", f"{place}: {text}", _remedy(error, text))


def _innermost(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    original = getattr(error, "orig", None) or error
    return " ".join(str(original).split())[:300] or type(original).__name__


def _remedy(error: BaseException, text: str) -> str:
    if "locked" in text or "busy" in text:
        return "another program holds the database; it is tried again, or close that program"
    if isinstance(error, ImportError) and any(name in text for name in ("torch", "scipy", "cmaes")):
        return "install what the sampler or pruner needs, as pip install 'htr-tui[gp]'"
    if isinstance(error, ImportError):
        return "install the database's driver, as pip install 'psycopg[binary]' for postgresql+psycopg"
    if "not a database" in text or "malformed" in text:
        return "the file is damaged; move it away, and it is rebuilt from the journal"
    if "disk I/O" in text:
        return (
            "the disk fails, or the file was damaged: if that stays, move it away, and it is rebuilt from the journal"
        )
    if isinstance(error, KeyError | AssertionError):
        return "the study or a trial was deleted there; it is rebuilt from the journal"
    if "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
        return "make the file and its folder writable"
    if "full" in text or "No space" in text:
        return "free some space on the disk"
    return "it is tried again; check that the database answers"
