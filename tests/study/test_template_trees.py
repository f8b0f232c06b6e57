"""Values set in a trainer's own config file: what is set is there, everything else stays as the trainer reads it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import tomlkit
import yaml
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.study.template_trees import TemplateError, Tree, read_tree

YAML = """\
# a trainer's file
defaults: &defaults
  lr: 1e-4
  amp: no
  at: 12:30
train:
  <<: *defaults
  layers: [32, 16]
  name: "no"
  include: !include other.yaml
  blocks:
    - {size: 3}
    - {size: 4}
other: *defaults
seed: &seed 3
again: *seed
a.b: flat
"""
JSON = json.dumps({"train": {"lr": 0.1, "a.b": 2}, "layers": [{"size": 1}, 2], "name": "x", "nan": None})
TOML = """\
# a trainer's file
name = "x"
[train]
lr = 1e-4  # the rate
layers = [1, 2]
[[block]]
size = 1
[[block]]
size = 2
"""
VALUES = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)


def read_back(form: str, tree: Tree) -> Any:
    if form == "toml":
        return tomllib.loads(tree.text())
    return json.loads(tree.text()) if form == "json" else yaml.safe_load(tree.text())


def test_yaml_keeps_what_it_is_not_told_to_change() -> None:
    tree = read_tree("yaml", YAML)
    plain = YAML.replace("!include ", "")
    text = tree.text()
    assert "!include" in text
    assert "amp: no" in text
    assert "lr: 1e-4" in text
    assert yaml.safe_load(text.replace("!include ", "")) == yaml.safe_load(plain)


def test_yaml_places() -> None:
    tree = read_tree("yaml", YAML)
    assert tree.find("train.layers") == "value"
    assert tree.find("train.lr") == "value"
    assert tree.find("train.blocks.1.size") == "value"
    assert tree.find("a.b") == "value"
    assert tree.find("train") == "section"
    assert [tree.find(name) for name in ("train.nope", "nope", "seed.x", "train.blocks.2.size", "train.blocks.x")] == [
        None
    ] * 5
    assert {"defaults.lr", "train.layers", "train.name", "a.b"} <= set(tree.names())


def test_yaml_values_are_set() -> None:
    tree = read_tree("yaml", YAML.replace("!include ", ""))
    wanted = {
        "train.lr": 1e-05, "train.layers": [64, 32], "train.blocks.1.size": 9, "train.name": "1e-4", "a.b": "yes",
        "new.deep": "a: b # c", "train.flag": True,
    }  # fmt: skip
    for name, value in wanted.items():
        tree.set(name, value)
    result = yaml.safe_load(tree.text())
    assert result["train"]["lr"] == 1e-05
    assert result["train"]["layers"] == [64, 32]
    assert result["train"]["blocks"] == [{"size": 3}, {"size": 9}]
    assert (result["train"]["name"], result["a.b"], result["new"]) == ("1e-4", "yes", {"deep": "a: b # c"})
    assert result["train"]["flag"] is True
    assert result["defaults"] == result["other"] == {"lr": "1e-4", "amp": False, "at": 750}


def test_yaml_aliases_follow_their_anchor_and_nothing_else() -> None:
    tree = read_tree("yaml", YAML.replace("!include ", ""))
    tree.set("seed", 7)
    tree.set("defaults.lr", 0.5)
    tree.set("other.at", 8)
    result = yaml.safe_load(tree.text())
    assert (result["seed"], result["again"]) == (7, 7)
    assert (result["defaults"]["lr"], result["train"]["lr"], result["other"]["lr"]) == (0.5, 0.5, 0.5)
    assert (result["defaults"]["at"], result["train"]["at"], result["other"]["at"]) == (750, 750, 8)


def test_json_and_toml_values_are_set() -> None:
    tree = read_tree("json", JSON)
    for name, value in {
        "train.lr": 1e-05,
        "train.a.b": 3,
        "layers.0.size": 5,
        "new.x": [1, 2],
        "name": 'a"\n手',
    }.items():
        tree.set(name, value)
    assert json.loads(tree.text()) == {
        "train": {"lr": 1e-05, "a.b": 3}, "layers": [{"size": 5}, 2], "name": 'a"\n手', "nan": None, "new": {"x": [1, 2]},
    }  # fmt: skip
    toml = read_tree("toml", TOML)
    for name, value in {
        "train.lr": 0.5,
        "train.layers": [64, 32],
        "block.1.size": 9,
        "new.x": 'a"\n',
        "name": "y",
    }.items():
        toml.set(name, value)
    assert "lr = 0.5  # the rate" in toml.text()
    assert tomllib.loads(toml.text()) == {
        "name": "y", "train": {"lr": 0.5, "layers": [64, 32]}, "block": [{"size": 1}, {"size": 9}], "new": {"x": 'a"\n'},
    }  # fmt: skip
    assert toml.names() == ["name", "train.lr", "train.layers", "block", "new.x"]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("yaml", "s: {x: 1}\nv: 2\nl: [1]\n"),
        ("json", '{"s":{"x":1},"v":2,"l":[1]}'),
        ("toml", "v = 2\nl = [1]\n[s]\nx = 1\n"),
    ],
)
def test_what_stands_in_the_way_is_named(form: str, text: str) -> None:
    tree = read_tree(form, text)
    with pytest.raises(TemplateError, match="'s' is a section"):
        tree.set("s", 1)
    with pytest.raises(TemplateError, match="no section"):
        tree.set("v.x", 1)
    with pytest.raises(TemplateError, match="cannot be set"):
        tree.set("l.7", 1)
    assert tree.find("l.0") == "value"


@pytest.mark.parametrize(
    ("form", "text", "line", "words"),
    [
        ("yaml", "a: 1\nb: [1", 2, "no YAML"),
        ("yaml", "- 1", 1, "no mapping"),
        ("yaml", "a: 1\n---\nb: 2", 2, "another document"),
        ("yaml", "a: \x00", None, "no YAML"),
        ("yaml", "a: " + "[" * 2000, None, "nested too deeply"),
        ("json", '{"a":\n}', 2, "no JSON"),
        ("json", "[1]", 1, "no mapping"),
        ("json", '{"a":' + "[" * 100_000, None, ""),
        ("toml", "a = 1\na = 2", 2, "no TOML"),
        ("toml", "a =\n", 1, "no TOML"),
    ],
)
def test_a_file_that_is_not_of_its_form_is_refused_with_its_line(
    form: str, text: str, line: int | None, words: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        read_tree(form, text)
    assert words in str(caught.value)
    assert line is None or caught.value.line == line


@pytest.mark.parametrize("form", ["yaml", "json", "toml"])
def test_an_empty_file_has_no_keys_and_takes_all(form: str) -> None:
    tree = read_tree(form, "")
    assert tree.names() == []
    tree.set("a.b", 1)
    tree.set("a.c", [1, 2])
    assert read_back(form, tree) == {"a": {"b": 1, "c": [1, 2]}}


@given(st.sampled_from(["yaml", "json", "toml"]), VALUES | st.lists(VALUES, max_size=4))
def test_a_value_is_read_as_it_was_set(form: str, value: Any) -> None:
    tree = read_tree(form, {"yaml": "a: {b: 1}\n", "json": '{"a": {"b": 1}}', "toml": "[a]\nb = 1\n"}[form])
    tree.set("a.b", value)
    tree.set("a.new", value)
    result = read_back(form, tree)["a"]
    assert result == {"b": value, "new": value}
    assert type(result["b"]) is type(value)


KEYS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=5)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(VALUES | st.lists(VALUES, max_size=3), lambda inner: st.dictionaries(KEYS, inner, max_size=3)),
    max_size=4,
)


WRITERS: dict[str, Callable[[Any], str]] = {"yaml": yaml.safe_dump, "json": json.dumps, "toml": tomlkit.dumps}


@given(st.data())
def test_one_value_is_set_and_nothing_else_changes(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["yaml", "json", "toml"]))
    document = data.draw(DOCUMENTS)
    written = WRITERS[form](document)
    tree = read_tree(form, written)
    names = tree.names()
    for name in names:
        assert tree.find(name) == "value"
    new = data.draw(VALUES)
    target = data.draw(st.sampled_from(names)) if names else "added.key"
    if not names:
        document = {}
        tree = read_tree(form, "")
    tree.set(target, new)
    expected: Any = document
    *sections, key = target.split(".")
    for section in sections:
        expected = expected.setdefault(section, {})
    expected[key] = new
    assert read_back(form, tree) == document


def test_a_number_that_python_refuses_is_told() -> None:
    with pytest.raises(TemplateError, match="no JSON"):
        read_tree("json", f'{{"a": {"1" * 5000}}}')
