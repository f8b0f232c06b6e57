"""YAML without its traps, with places, and written so that both kinds of reader agree."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.errors import ConfigError
from htr_tui.study.safe_yaml import MAX_BYTES, Mark, dotted, dump_yaml, read_yaml


def read(text: str) -> Any:
    document = read_yaml(text, "f.yaml")
    assert document.problems == []
    return document.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1E5", 1e5), ("-2.5e+3", -2500.0), (".5", 0.5), ("3.", 3.0), ("0", 0), ("-7", -7), ("+7", 7),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("y", "y"), ("true", True), ("False", False),
        ("12:30", "12:30"), ("1:2:3", "1:2:3"), ("010", "010"), ("0o17", "0o17"), ("0x1F", "0x1F"), ("1_000", "1_000"),
        ("2026-11-21", "2026-11-21"), ("null", None), ("~", None), ("", None), ("'1'", "1"), ('"true"', "true"), ("=", "="),
        ("0b1", "0b1"), (".inf", math.inf), ("-.inf", -math.inf), ("1.2.3", "1.2.3"), ("١", "١"), ("[1, a]", [1, "a"]),
        ("9" * 30, 1e30), ("{a: {b: 1}}", {"a": {"b": 1}}), ("{1: x}", {"1": "x"}), ("&a [1]", [1]), ("|\n a\n b\n", "a\nb\n"),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    result = read(text)
    assert result == value
    assert type(result) is type(value)


def test_nan() -> None:
    assert math.isnan(read(".nan"))


def test_aliases_are_values() -> None:
    assert read("a: &x {b: 1}\nc: *x\n") == {"a": {"b": 1}, "c": {"b": 1}}


def test_places() -> None:
    document = read_yaml("a: 1\nlist:\n  - x\n  - {key: value}\n", "f.yaml")
    assert document.mark(("a",)) == Mark(1, 4)
    assert document.mark(("a",), of_key=True) == Mark(1, 1)
    assert document.mark(("list", 1, "key")) == Mark(4, 11)
    assert document.mark(("list", 1, "key"), of_key=True) == Mark(4, 6)
    assert document.mark(("list", 1, "other", "deeper")) == Mark(4, 5)
    assert dotted(("list", 1, "key")) == "list[1].key"


def test_equal_keys_are_all_told() -> None:
    document = read_yaml("a: 1\nb: {c: 1, c: 2}\na: 2\n", "f.yaml")
    assert [(p.key, p.line) for p in document.problems] == [("b.c", 2), ("a", 3)]
    assert document.value == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize("text", ["a: *missing", "a: [", "a: b: c", "%", "--- 1\n--- 2\n", '"\\ud800"', "!x 1", "! 1"])
def test_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "f.yaml")
    assert caught.value.problems[0].message
    assert caught.value.problems[0].line is not None


def test_too_long() -> None:
    with pytest.raises(ConfigError, match="larger than"):
        read_yaml("a" * (MAX_BYTES + 1), "f.yaml")


_text = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20),
    st.sampled_from(
        ["1e-4", "no", "010", "12:30", "~", "null", "true", "", " a", "a ", "# x", "a: b", "1_0", "0x1", "=", "<<"]
    ),
)
_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**17), 10**17), st.floats(allow_nan=False, allow_infinity=False), _text
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_text, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(_text, _values, max_size=5))
def test_what_is_written_is_read_by_everybody(value: dict[str, Any]) -> None:
    text = dump_yaml(value)
    assert read(text) == value
    assert yaml.safe_load(text) == value


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    problems = None
    try:
        read_yaml(text, "f.yaml")
    except ConfigError as error:
        problems = error.problems
    assert problems is None or len(problems) == 1
