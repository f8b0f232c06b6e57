"""The forms of metrics in JSON, and everything that is none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.metrics.epochs import EpochRule
from htr_tui.metrics.growing import Place
from htr_tui.metrics.json_shapes import Key, Shapes
from htr_tui.metrics.json_source import MAX_JSON, JsonSource, keys_of, parse_json

Table = dict[int, dict[str, float]]


def table_of(value: Any, at: tuple[Key, ...] = (), rule: EpochRule | None = None) -> tuple[Table, Shapes]:
    shapes = Shapes(rule or EpochRule(), at)
    table: Table = {}
    for observation in shapes.observations(value):
        table.setdefault(observation.epoch, {}).update(observation.values)
    return table, shapes


TWO: Table = {1: {"loss": 0.5, "val/acc": 1.0}, 2: {"loss": 0.25, "val/acc": 2.0}}


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ([{"epoch": 1, "loss": 0.5, "val/acc": 1}, {"epoch": 2, "loss": 0.25, "val/acc": 2}], ()),
        ([{"loss": 0.5, "val/acc": 1}, {"loss": 0.25, "val/acc": 2}], ()),
        ([{"loss": 0.5, "val": {"acc": "1"}}, {"loss": 0.25, "val": {"acc": "2"}}], ()),
        ([{"epoch": 0.5, "loss": 0.5}, {"epoch": 1.0, "val/acc": 1}, {"epoch": 2, "loss": 0.25, "val/acc": 2}], ()),
        ({"loss": [0.5, 0.25], "val/acc": [1, 2]}, ()),
        ({"loss": [0.5, 0.25], "val": {"acc": [1, 2]}, "params": {"lr": 0.1}}, ()),
        ({"epoch": [1, 2], "loss": [0.5, 0.25], "val/acc": [1, 2]}, ()),
        ({"loss": {"0": 0.5, "1": 0.25}, "val/acc": {"0": 1, "1": 2}}, ()),
        ({"1": {"loss": 0.5, "val/acc": 1}, "2": {"loss": 0.25, "val/acc": 2}}, ()),
        ({"history": [{"rows": {"loss": [0.5, 0.25], "val/acc": [1, 2]}}]}, ("history", 0, "rows")),
        ({"history": [0, {"loss": [0.5, 0.25], "val/acc": [1, 2]}]}, ("history", -1)),
    ],
    ids=lambda v: json.dumps(v)[:50],
)
def test_forms_of_one_history(value: Any, at: tuple[Key, ...]) -> None:
    table, shapes = table_of(value, at)
    assert table == TWO
    assert (shapes.skipped, shapes.trouble) == (0, "")


def test_one_record_is_of_the_epoch_it_tells() -> None:
    assert table_of({"epoch": 7, "step": 70, "loss": 0.5, "note": "x", "done": True})[0] == {7: {"loss": 0.5}}
    assert table_of({"accuracy": 0.9})[0] == {1: {"accuracy": 0.9}}
    assert table_of({"epoch": 6, "loss": 1}, rule=EpochRule(first=0))[0] == {7: {"loss": 1.0}}
    assert table_of({"round": 6, "loss": 1}, rule=EpochRule("round"))[0] == {6: {"loss": 1.0}}
    assert table_of({"global_step": 60, "loss": 1}, rule=EpochRule("step"))[0] == {60: {"loss": 1.0}}


def test_numbers_alone_are_called_as_the_path_says() -> None:
    assert table_of({"a": {"loss": [3, 2, None]}}, ("a", "loss"))[0] == {1: {"loss": 3.0}, 2: {"loss": 2.0}}
    assert table_of({"a": {"loss": 3}}, ("a", "loss"))[0] == {1: {"loss": 3.0}}


def test_what_is_not_there_is_said() -> None:
    for at in (("b",), ("a", 5), ("a", 0, "x", "y")):
        table, shapes = table_of({"a": [{"x": 1}]}, at)
        assert table == {}
        assert shapes.trouble.startswith("there is nothing at")


def test_records_that_are_none_are_counted() -> None:
    records = [{"epoch": 1, "a": 1}, 3 + 0j, {"epoch": "x", "a": 1}, {"a": 5}, {"epoch": 2, "a": [1], "b": 1}]
    table, shapes = table_of([*records[:1], "text", *records[2:]])
    assert table == {1: {"a": 1.0}, 2: {"b": 1.0}}
    assert shapes.skipped == 4


def test_keys_of_a_path() -> None:
    assert keys_of("history.0.metrics") == ("history", 0, "metrics")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1', (None, 0)),
        ("", (None, 0)),
        ("[" * 100_000, (None, 0)),
        ('{"a": NaN}', None),
        ('{"a": 1}\n{"a": 2}\n', ([{"a": 1}, {"a": 2}], 0)),
        ('{"a": 1}\n{"a": 2', ([{"a": 1}], 0)),
        ('{"a": 1}\ngarbage\n[3]\n{"a": 2}\n', ([{"a": 1}, {"a": 2}], 2)),
        ('{"a": 1} trailing', (None, 0)),
    ],
)
def test_halves_and_lines(text: str, expected: tuple[Any, int] | None) -> None:
    if expected is None:
        assert parse_json(text)[0] is not None
    else:
        assert parse_json(text) == expected


def test_numbers_without_end_are_infinite_or_none() -> None:
    values, _ = parse_json('{"epoch": 1, "a": ' + "9" * 5000 + "}")
    assert table_of(values)[0] == {1: {"a": float("inf")}}


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with open(path, "wb") as file:
        file.truncate(MAX_JSON + 1)
    source = JsonSource(Place(str(path)), EpochRule())
    assert source.read(time.monotonic(), final=True).found == []
    assert "is larger than" in source.trouble


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["nan", "7"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["epoch", "step", "loss", "0", "1", ""]) | st.text(max_size=3), inner, max_size=4
        )
    ),
    max_leaves=12,
)
_rules = st.builds(EpochRule, st.sampled_from([None, "step", "count", "loss"]), st.integers(0, 1))


@given(value=_json, rule=_rules, at=st.lists(st.sampled_from(["epoch", "0", 0, 1]), max_size=2).map(tuple))
def test_any_json_gives_bounded_observations(value: Any, rule: EpochRule, at: tuple[Key, ...]) -> None:
    for observation in Shapes(rule, at).observations(value):
        assert observation.epoch >= 0
        assert observation.values
        assert all(isinstance(number, float) for number in observation.values.values())
