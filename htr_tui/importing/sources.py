"""What a URL or path on the command line is: which tool's, of which form, and how to show it without its password."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from htr_tui.errors import UsageError
from htr_tui.search.snapshot import is_sqlite

Form = Literal["sqlite", "server", "journal", "folder", "http"]
"""SQLite file, database server, Optuna's JournalStorage file, MLflow's file store, MLflow's tracking server."""

ALLOWED = "a SQLite file, a JournalStorage file, an mlruns folder, postgresql://..., mysql://..., http(s)://..."
DATABASES = ("postgresql", "mysql", "mariadb")

_ODD_LOGIN = re.compile(r"([^:/]+://[^:/?#@]*):.*[/?#].*@(.*)", re.DOTALL)
"""A password with a slash, ? or #: SQLAlchemy takes it, although a URL cannot have it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where studies are read from."""

    form: Form
    url: str
    """As given, made absolute; may hold a password."""
    shown: str
    """The same for people: without a password."""
    path: Path | None = None


def find_source(text: str, base: Path) -> Source:
    """Recognise what the user names; relative paths start at `base`. UsageError says what is understood."""
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if text.startswith("file:"):
        return _of_path(_file_path(text), base, text)
    if not scheme:
        return _of_path(_expanded(text), base, text)
    kind = scheme.partition("+")[0]
    if kind == "sqlite":
        return _of_path(_sqlite_path(text), base, text)
    if kind in ("http", "https"):
        return Source("http", text, hide_password(text))
    if kind in DATABASES:
        return Source("server", text, hide_password(text))
    if kind in ("redis", "rediss", "unix"):
        raise UsageError(
            "studies in Redis cannot be read", hide_password(text),
            "copy them first, with Optuna: optuna.copy_study(from_study_name=..., from_storage=JournalStorage("
            "JournalRedisBackend(URL)), to_storage='sqlite:///copy.db'), then import copy.db",
        )  # fmt: skip
    raise UsageError(f"cannot read {scheme}://", hide_password(text), f"understood are {ALLOWED}")


def hide_password(url: str) -> str:
    """`url` with its password (and secrets in its query) as three stars."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a URL that cannot be read)"
    is_web = parts.scheme in ("http", "https")
    if not is_web and "@" not in parts.netloc and (odd := _ODD_LOGIN.match(url)):
        return f"{odd[1]}:***@{odd[2]}"
    user, at, host = parts.netloc.rpartition("@")
    if at and ":" in user:
        parts = parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}")
    words = [
        f"{name}=***" if any(word in name.lower() for word in ("pass", "token", "secret", "key")) else item
        for item in parts.query.split("&")
        for name in [item.partition("=")[0]]
    ]
    return parts._replace(query="&".join(words)).geturl() if parts.query or at else url


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~ of somebody unknown
        return Path(text)


def _file_path(text: str) -> Path:
    parts = urlsplit(text)
    return Path(unquote(parts.path if parts.scheme == "file" else text))


def _sqlite_path(text: str) -> Path:
    rest = text.partition("://")[2].partition("?")[0]
    if not rest.startswith("/") or len(rest) < 2:
        raise UsageError(f"{text}: names no file", "", "write sqlite:///relative.db or sqlite:////absolute.db")
    path = rest[1:].removeprefix("file:")
    if path == ":memory:":
        raise UsageError(f"{text}: a database in memory ends with its process", "", "name a file")
    return Path(path)


def _of_path(path: Path, base: Path, text: str) -> Source:
    path = (base / path).absolute()
    if not path.exists():
        raise UsageError(f"{path}: no such file", "" if str(path) == text else text, f"understood are {ALLOWED}")
    if path.is_dir():
        if any(path.glob("*/meta.yaml")) or (path / "meta.yaml").is_file():
            return Source("folder", str(path), str(path), path)
        raise UsageError(
            f"{path}: a folder without MLflow experiments", "",
            "name the mlruns folder that holds the experiments' folders, or a database file",
        )  # fmt: skip
    if is_sqlite(path):
        return Source("sqlite", f"sqlite:///{path}", f"sqlite:///{path}", path)
    if is_journal(path):
        return Source("journal", str(path), str(path), path)
    raise UsageError(f"{path}: neither a SQLite database nor a JournalStorage file", "", f"understood are {ALLOWED}")


def is_journal(path: Path) -> bool:
    """Whether the first line of a file is a record of Optuna's JournalStorage."""
    try:
        with open(path, "rb") as file:
            record = json.loads(file.readline(1 << 20))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "op_code" in record and "worker_id" in record
