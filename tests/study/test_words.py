"""The language of braces: what is read, what is refused, and that values come out as they went in."""

from __future__ import annotations

import argparse
import json
import shlex
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.study.safe_yaml import read_scalar, read_yaml
from htr_tui.study.words import (
    FORMS,
    MissingValueError,
    Placeholder,
    option_words,
    override_text,
    parse,
    render_text,
    render_words,
    scalar_text,
    value_text,
)

TEXTS = st.text(max_size=20)
SCALARS = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS


def test_pieces() -> None:
    assert parse("a{{{b:json}}}c") == ("a", "{", Placeholder("b", form="json"), "}", "c")
    assert parse("{--lr}") == (Placeholder("lr", option="--lr"),)
    assert parse("{--learning-rate train.lr}") == (Placeholder("train.lr", option="--learning-rate"),)
    assert parse("{-b=batch}") == (Placeholder("batch", option="-b", is_joined=True),)
    assert parse("") == ()


@pytest.mark.parametrize(
    "text", ["{", "}", "{a", "a}", "{a{b}", "{{}", "{a:moon}", "{--}", "{- a}", "{--a b c}", "{--a=}"]
)
def test_braces_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\{|\}"):
        parse(text)


def test_forms() -> None:
    value = [64, "a b", 1e-05, True]
    assert {form: value_text(value, form) for form in FORMS} == {
        "json": '[64, "a b", 1.0e-05, true]',
        "yaml": '[64, "a b", 1.0e-05, true]',
        "shell": "64 'a b' 1.0e-05 true",
        "comma": "64,a b,1.0e-05,true",
        "words": '[64, "a b", 1.0e-05, true]',
    }
    assert render_words("{x:words}", {"x": value}) == ["64", "a b", "1.0e-05", "true"]
    assert render_words("{x:words}", {"x": []}) == render_words("{x:words}", {}) == []
    assert render_words("{--x=x}", {"x": [1, 2]}) == ["--x=1", "--x=2"]


def test_a_missing_value_is_named() -> None:
    with pytest.raises(MissingValueError) as caught:
        render_text("{x} {y}", {"x": 1})
    assert caught.value.name == "y"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_the_same_for_every_reader(number: float) -> None:
    text = scalar_text(number)
    assert float(text) == json.loads(text) == yaml.safe_load(text) == read_scalar(text) == number


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20))
def test_texts_stay_texts(text: str) -> None:
    written = override_text(text)
    assert yaml.safe_load(written) == text
    assert read_yaml(written, "f").value == text


@given(SCALARS | st.lists(SCALARS, max_size=4))
def test_values_come_out_of_their_form_as_they_went_in(value: Any) -> None:
    assert json.loads(value_text(value, "json")) == value
    assert yaml.safe_load(value_text(value, "yaml")) == value
    words = [scalar_text(item) for item in value] if isinstance(value, list) else [scalar_text(value)]
    assert shlex.split(value_text(value, "shell")) == words


@given(st.dictionaries(st.sampled_from(["a", "b"]), TEXTS, min_size=2), TEXTS)
def test_values_are_never_read_again(values: dict[str, str], between: str) -> None:
    text = "{a}" + between.replace("{", "{{").replace("}", "}}") + "{b}"
    assert render_text(text, values) == values["a"] + between + values["b"]


def test_small_negative_numbers_are_no_options_to_argparse() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--offset", type=float)
    parser.add_argument("--shifts", type=float, nargs="+")
    for number in (-4.2e-05, -9.999e-05, -1.5e-29, -0.5, -3.0):
        words = [*option_words("--offset", number), *option_words("--shifts", [number, 1e-05])]
        found = parser.parse_args(words)
        assert (found.offset, found.shifts) == (number, [number, 1e-05]), words
