from __future__ import annotations

import posixpath
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.tracking.names import MAX_NAME, clean_text, texts, unique_names, valid_name

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=300)


def is_taken(name: str) -> bool:
    """MLflow's own rules (`mlflow.utils.validation`)."""
    norm = posixpath.normpath(name)
    is_unique = norm == name and norm != "." and not norm.startswith("..") and not norm.startswith("/")
    return re.match(r"^[/\w.\- :]*$", name) is not None and is_unique and 0 < len(name) <= MAX_NAME


@given(ANY_TEXT)
def test_every_name_becomes_a_valid_one(name: str) -> None:
    assert is_taken(valid_name(name))


@pytest.mark.parametrize("name", ["val/psnr", "loss:total", "a b", "train.batch", "Größe", "x" * MAX_NAME])
def test_valid_names_stay(name: str) -> None:
    assert valid_name(name) == name


@given(st.sets(ANY_TEXT | st.sampled_from(["a@b", "a#b", "a_b", "../a", "/a", "x" * 300, "x" * 301]), max_size=12))
def test_different_names_stay_different(names: set[str]) -> None:
    chosen = unique_names(dict.fromkeys(names))
    assert len(set(chosen.values())) == len(names)
    assert all(is_taken(name) for name in chosen.values())
    assert all(chosen[name] == name for name in names if valid_name(name) == name)


@given(ANY_TEXT, st.integers(1, 50))
def test_texts_can_be_stored(text: str, limit: int) -> None:
    clean = clean_text(text, limit)
    assert len(clean) <= limit
    assert "\0" not in clean
    clean.encode("utf-8")


def test_values_of_any_type_become_text() -> None:
    assert texts({"a": 1, "b": None, "c": [1, "x"], "d": "s", "e": True}, 100, "p.") == {
        "p.a": "1",
        "p.b": "null",
        "p.c": '[1, "x"]',
        "p.d": "s",
        "p.e": "true",
    }
