"""Sessions with a database server that cannot write: they say so to the server before anything else."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy.engine import Engine, make_url

from htr_tui.errors import StorageError
from htr_tui.importing.sources import Source

TIMEOUT_S = 10
READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}
DRIVERS = {
    "postgresql": "pip install 'psycopg[binary]' and write postgresql+psycopg://...",
    "mysql": "pip install pymysql and write mysql+pymysql://...",
    "mariadb": "pip install pymysql and write mariadb+pymysql://...",
}


def engine_options(source: Source) -> dict[str, Any]:
    """A silent server is given up after a while."""
    is_postgresql = make_url(source.url).get_backend_name() == "postgresql"
    return {"connect_args": {"connect_timeout": TIMEOUT_S}} if is_postgresql else {}


def make_read_only(engine: Engine) -> None:
    """Every connection made from now on refuses to write."""
    statement = READ_ONLY.get(engine.dialect.name)
    if statement is None:
        return
    engine.dispose()  # connections made before

    @sqlalchemy.event.listens_for(engine, "connect")
    def _refuse_writing(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.commit()


def connect(source: Source) -> Engine:
    """An engine for reading; StorageError where the driver is missing or the URL is none."""
    try:
        engine = sqlalchemy.create_engine(source.url, **engine_options(source))
    except ImportError as error:
        kind = make_url(source.url).get_backend_name()
        raise StorageError(f"no driver for {source.shown}", str(error), DRIVERS.get(kind, "")) from error
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise StorageError(f"{source.shown} is no database URL", str(error)[:300]) from error
    make_read_only(engine)
    return engine
