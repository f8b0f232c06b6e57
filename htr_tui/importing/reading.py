"""Reading a source without knowing what it is: Optuna's or MLflow's, file, folder or server."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import sqlalchemy
from sqlalchemy.engine import Engine

from htr_tui.errors import StorageError, UsageError
from htr_tui.importing.foreign import Choice, ForeignStudy, Listed
from htr_tui.importing.mlflow_database import DatabaseStore
from htr_tui.importing.mlflow_files import FolderStore
from htr_tui.importing.mlflow_runs import RunStore
from htr_tui.importing.mlflow_trials import read_experiment
from htr_tui.importing.server import connect
from htr_tui.importing.sources import Source
from htr_tui.search.snapshot import copy_database

if TYPE_CHECKING:
    from htr_tui.importing.optuna_storage import Opened

OPTUNA_TABLES = frozenset({"studies", "trials"})
MLFLOW_TABLES = frozenset({"experiments", "runs"})


class Reader(Protocol):
    """An opened source."""

    kind: str
    """The tool and the form, for people."""

    def listed(self) -> list[Listed]:
        """The studies there."""

    def read(self, name: str, choice: Choice) -> ForeignStudy:
        """One of them."""


@contextmanager
def open_source(source: Source, tool: str | None = None) -> Iterator[Reader]:
    """Open `source` for reading alone; `tool` chooses where a database holds both tools' tables."""
    with ExitStack() as stack:
        if source.form == "sqlite" and source.path:
            source = replace(source, path=stack.enter_context(_copied(source.path)))
        if (tool or _tool_of(source)) == "optuna":
            from htr_tui.importing.optuna_storage import open_optuna  # loads Optuna

            yield OptunaReader(stack.enter_context(open_optuna(source)))
        else:
            yield MlflowReader(stack.enter_context(_open_mlflow(source)))


def _tool_of(source: Source) -> str:
    if source.form == "journal":
        return "optuna"
    if source.form in ("folder", "http"):
        return "mlflow"
    tables = _tables(source)
    is_optuna, is_mlflow = tables >= OPTUNA_TABLES, tables >= MLFLOW_TABLES
    if is_optuna and is_mlflow:
        raise UsageError(
            f"{source.shown} holds tables of Optuna and of MLflow", "", "choose with --tool optuna or --tool mlflow"
        )
    if not is_optuna and not is_mlflow:
        listed = ", ".join(sorted(tables)[:10]) or "none"
        raise UsageError(f"{source.shown} holds neither an Optuna storage nor an MLflow store", f"tables: {listed}")
    return "optuna" if is_optuna else "mlflow"


def _tables(source: Source) -> set[str]:
    with _engine(source) as engine:
        try:
            return set(sqlalchemy.inspect(engine).get_table_names())
        except sqlalchemy.exc.SQLAlchemyError as error:
            text = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
            raise StorageError(f"{source.shown} cannot be read", text, "check host, name and password") from error


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    """A copy that lives for a while."""
    folder = Path(tempfile.mkdtemp(prefix="htr-tui-import-"))
    try:
        yield copy_database(path, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _engine(source: Source) -> Iterator[Engine]:
    engine = sqlalchemy.create_engine(f"sqlite:///{source.path}") if source.form == "sqlite" else connect(source)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _open_mlflow(source: Source) -> Iterator[RunStore]:
    if source.form == "folder" and source.path:
        yield FolderStore(source.path)
    elif source.form == "http":
        from htr_tui.importing.mlflow_server import ServerStore  # loads MLflow

        yield ServerStore(source.url, source.shown)
    else:
        with _engine(source) as engine:
            yield DatabaseStore(engine, "SQLite" if source.form == "sqlite" else engine.dialect.name)


class OptunaReader:
    """Studies of an Optuna storage."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.kind = f"optuna ({opened.kind})"

    def listed(self) -> list[Listed]:
        """The studies there."""
        from htr_tui.importing.optuna_trials import list_studies

        return list_studies(self._opened)

    def read(self, name: str, choice: Choice) -> ForeignStudy:
        """One study."""
        from htr_tui.importing.optuna_trials import read_study

        return read_study(self._opened, name)


class MlflowReader:
    """Experiments of an MLflow store as studies."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self.kind = f"mlflow ({store.kind})"

    def listed(self) -> list[Listed]:
        """Experiments; those without runs (as `Default`) are no studies."""
        return [found for found in self._store.experiments() if found.trials]

    def read(self, name: str, choice: Choice) -> ForeignStudy:
        """One experiment."""
        return read_experiment(self._store, name, choice)


def choose_studies(reader: Reader, wanted: list[str], shown: str) -> list[str]:
    """The names to read: the wanted ones, which must be there, or all."""
    listed = reader.listed()
    names = [found.name for found in listed]
    if not names:
        raise UsageError(f"{shown} holds no study", "", "an MLflow experiment without runs does not count")
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"studies there: {', '.join(names[:30])}"
            raise UsageError(f"no study {name!r} in {shown}", "", hint)
    return list(dict.fromkeys(wanted)) or names
