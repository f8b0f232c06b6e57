"""What is named on the command line is recognised by what it holds; what is not understood is told with what is."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_tui.errors import UsageError
from htr_tui.importing.sources import find_source, hide_password
from tests.importing.picture import DATA


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (str(DATA / "optuna-3.1.db"), "sqlite"),
        (f"sqlite:///{DATA / 'optuna-3.1.db'}", "sqlite"),
        ("sqlite:///optuna-3.1.db", "sqlite"),
        ("sqlite+pysqlite:///optuna-3.1.db?timeout=5", "sqlite"),
        ("mlflow-2.9.db", "sqlite"),
        ("journal-3.1.log", "journal"),
        ("postgresql://u:p@host/db", "server"),
        ("mysql+pymysql://u:p@host/db", "server"),
        ("https://tracking.example", "http"),
    ],
)
def test_forms(text: str, form: str) -> None:
    assert find_source(text, DATA).form == form


def test_a_file_store_by_path_and_url(tmp_path: Path) -> None:
    (tmp_path / "ml runs" / "0").mkdir(parents=True)
    (tmp_path / "ml runs" / "0" / "meta.yaml").write_text("name: Default\n")
    for text in ("ml runs", f"file://{tmp_path}/ml%20runs", (tmp_path / "ml runs").as_uri(), "ml runs/0"):
        assert find_source(text, tmp_path).form == "folder"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("missing.db", "no such file"),
        ("make_optuna.py", "neither a SQLite database nor a JournalStorage"),
        (".", "without MLflow experiments"),
        ("~nobody-of-that-name/x.db", "no such file"),
        ("redis://user:secret@host:6379/0", "Redis"),
        ("oracle://host/db", "cannot read oracle"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "memory"),
    ],
)
def test_what_is_not_understood(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        find_source(text, DATA)
    assert "secret" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p%40ss@host:5432/db", "postgresql://u:***@host:5432/db"),
        ("postgresql://u@host/db", "postgresql://u@host/db"),
        ("mysql+pymysql://u:a@b:c@host/db?charset=utf8", "mysql+pymysql://u:***@host/db?charset=utf8"),
        ("postgresql://host/db?user=u&password=secret", "postgresql://host/db?user=u&password=***"),
        ("https://me:secret@tracking.example/x", "https://me:***@tracking.example/x"),
        ("postgresql://u:[@host", "(a URL that cannot be read)"),
        ("postgresql://u:a#b@host/db", "postgresql://u:***@host/db"),
        ("postgresql://u:a/b@host/db", "postgresql://u:***@host/db"),
        ("mysql+pymysql://u:a?b@c@host/db", "mysql+pymysql://u:***@host/db"),
        ("http://host:5000/@x", "http://host:5000/@x"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown
