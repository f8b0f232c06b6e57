from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.files import dump_line
from htr_tui.metrics.events import (
    MAX_NAME,
    MAX_NAMES,
    CheckpointEvent,
    EndEvent,
    Event,
    EventsReader,
    MetricsEvent,
    NoteEvent,
    ProgressEvent,
    SampleEvent,
    StartEvent,
    merge_epochs,
    parse_event,
)
from tests.fakes import trainer


def metrics(epoch: int, t: float = 1.0, **values: float) -> MetricsEvent:
    return MetricsEvent(t, epoch, None, values)


def read_all(reader: EventsReader, limit: int = 1 << 20) -> tuple[list[Event], int]:
    events: list[Event] = []
    skipped = 0
    while True:
        batch = reader.read(limit)
        events += batch.events
        skipped += batch.skipped
        if not batch.more:
            return events, skipped


def run_trainer(folder: Path, *arguments: str) -> None:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, trainer.__file__, "--out", str(folder), *arguments]
    subprocess.run(command, check=False, capture_output=True)


def test_what_a_trainer_writes_is_read(tmp_path: Path) -> None:
    run_trainer(tmp_path, "--epochs", "2", "--set", "loss.pixel=3.5")
    events, skipped = read_all(EventsReader(tmp_path / "events.jsonl"))
    assert skipped == 0
    start, end = events[0], events[-1]
    assert isinstance(start, StartEvent)
    assert (start.epochs, start.steps, start.resumed_epoch) == (2, trainer.STEPS, 0)
    assert start.params == {"train.batch": 8, "train.accumulation": 1, "loss.pixel": 3.5}
    assert isinstance(end, EndEvent)
    assert end.status == "complete"
    assert [e.values for e in events if isinstance(e, MetricsEvent)] == [
        trainer.metrics_of(start.params, epoch) for epoch in (1, 2)
    ]
    samples = [e for e in events if isinstance(e, SampleEvent)]
    assert [(s.epoch, s.panels) for s in samples] == [(e, ("degraded", "restored", "clean")) for e in (1, 2)]
    assert all((tmp_path / s.path).is_file() for s in samples)
    assert [e.epoch for e in events if isinstance(e, CheckpointEvent)] == [1, 2]
    assert len([e for e in events if isinstance(e, ProgressEvent)]) == 2 * trainer.STEPS


def test_garbage_and_nan_of_a_trainer(tmp_path: Path) -> None:
    run_trainer(tmp_path, "--epochs", "2", "--garbage", "--nan-at", "2")
    run_trainer(tmp_path / "clean", "--epochs", "2", "--nan-at", "2")
    events, skipped = read_all(EventsReader(tmp_path / "events.jsonl"))
    clean, none = read_all(EventsReader(tmp_path / "clean" / "events.jsonl"))
    assert [type(e) for e in events] == [type(e) for e in clean]
    assert (skipped, none) == (4 * len(events), 0)
    last = [e for e in events if isinstance(e, MetricsEvent)][-1]
    assert math.isnan(last.values["loss/total"])


HOSTILE: list[dict[str, Any]] = [
    {"kind": "metrics"},
    {"kind": "metrics", "epoch": 1},
    {"kind": "metrics", "epoch": 1, "values": []},
    {"kind": "metrics", "epoch": 1, "values": {}},
    {"kind": "metrics", "epoch": 1, "values": {"a": [1]}},
    {"kind": "metrics", "epoch": 1, "values": {"a": 10**400}},
    {"kind": "metrics", "epoch": 1, "values": {"a" * 1_000_000: 1.0}},
    {"kind": "metrics", "epoch": 1, "values": {"": 1.0}},
    {"kind": "metrics", "epoch": 10**30, "values": {"a": 1}},
    {"kind": "metrics", "epoch": -1, "values": {"a": 1}},
    {"kind": "metrics", "epoch": 1.5, "values": {"a": 1}},
    {"kind": "metrics", "epoch": "1", "values": {"a": 1}},
    {"kind": "metrics", "epoch": True, "values": {"a": 1}},
    {"kind": ["metrics"], "epoch": 1, "values": {"a": 1}},
    {"kind": "sample", "path": "/etc/passwd"},
    {"kind": "sample", "path": "samples/../../x.png"},
    {"kind": "sample", "path": "a\0b"},
    {"kind": "sample", "path": "."},
    {"kind": "sample", "path": 7},
    {"kind": "checkpoint", "path": "../x"},
    {"kind": "progress", "epoch": 1, "step": None},
    {"kind": "note", "message": {"a": 1}},
    {"kind": "end", "status": "exploded"},
    {"kind": "end"},
    {},
]


@pytest.mark.parametrize("record", HOSTILE, ids=lambda r: json.dumps(r)[:60])
def test_hostile_records_are_skipped_and_counted(record: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(dump_line(record) + dump_line({"kind": "end", "status": "complete", "t": 5}))
    assert read_all(EventsReader(tmp_path / "e")) == ([EndEvent(5.0, "complete")], 1)


def test_the_good_part_of_an_event_is_kept_and_the_rest_counted() -> None:
    event = parse_event({"kind": "metrics", "epoch": 2.0, "t": "soon", "values": {"a": 1, "b": "x", "c": "nan"}})
    assert isinstance(event[0], MetricsEvent)
    assert event[0].t == 0.0
    assert (event[0].epoch, set(event[0].values), event[1]) == (2, {"a", "c"}, False)
    start, is_clean = parse_event(
        {"kind": "start", "epochs": -3, "params": {"a": [1], "b": "x" * 5000, "c": None, "d": 10**30}}
    )
    assert isinstance(start, StartEvent)
    assert not is_clean
    assert (start.epochs, start.params) == (None, {"a": "[1]", "b": "x" * 1000, "c": None})
    assert parse_event({"kind": "start", "params": 3})[1] is False
    many, is_clean = parse_event({"kind": "metrics", "epoch": 1, "values": {f"m{i}": i for i in range(5000)}})
    assert isinstance(many, MetricsEvent)
    assert (len(many.values), is_clean) == (MAX_NAMES, False)
    assert parse_event({"kind": "note", "t": 1, "level": "[red]", "message": "m"})[0] == NoteEvent(1.0, "info", "m")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["nan", "a/b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)
_kinds = st.sampled_from(["start", "metrics", "progress", "sample", "checkpoint", "note", "end", "moon"])
_fields = ["t", "epoch", "step", "of", "rate", "values", "path", "caption", "panels", "level", "message", "status"]


@given(kind=_kinds, fields=st.dictionaries(st.sampled_from([*_fields, "params", "epochs", "resumed_epoch"]), _json))
def test_any_record_parses_to_bounded_values(kind: str, fields: dict[str, Any]) -> None:
    event, is_clean = parse_event({"kind": kind, **fields})
    assert event is not None or not is_clean
    if event is None:
        return
    assert math.isfinite(event.t)
    assert event.t >= 0
    if isinstance(event, MetricsEvent):
        assert event.epoch >= 0
        assert event.values
        assert all(0 < len(n) <= MAX_NAME and isinstance(v, float) for n, v in event.values.items())
    if isinstance(event, SampleEvent | CheckpointEvent):
        assert not event.path.startswith("/")
        assert ".." not in event.path.split("/")


@given(data=st.data(), count=st.integers(0, 12), limit=st.integers(1, 300))
def test_any_split_of_writes_gives_each_event_once(tmp_path: Path, data: st.DataObject, count: int, limit: int) -> None:
    whole = b"".join(dump_line({"t": i, "kind": "metrics", "epoch": i, "values": {"a": i}}) for i in range(count))
    path = tmp_path / "events"
    path.unlink(missing_ok=True)
    reader, got = EventsReader(path), list[Event]()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    with open(path, "wb") as file:
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            file.write(whole[begin:end])
            file.flush()
            events, skipped = read_all(reader, limit)
            assert skipped == 0
            got += events
            if data.draw(st.booleans()):
                reader = EventsReader(path, reader.offset)  # a new process goes on from the remembered offset
    assert [e.epoch for e in got if isinstance(e, MetricsEvent)] == list(range(count))


def test_a_replaced_file_is_read_anew_and_said_so(tmp_path: Path) -> None:
    path = tmp_path / "e"
    path.write_bytes(dump_line({"kind": "note", "message": "a long message of old"}))
    reader = EventsReader(path)
    assert not reader.read().restarted
    path.write_bytes(dump_line({"kind": "note", "message": "new"}))
    batch = reader.read()
    assert batch.restarted
    assert [e.message for e in batch.events if isinstance(e, NoteEvent)] == ["new"]


def test_a_read_is_bounded_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "e"
    reader = EventsReader(path)
    assert reader.read().events == []
    path.write_bytes(dump_line({"kind": "note", "message": "m"}) * 1000)
    batch = reader.read(limit=1000)
    assert 0 < len(batch.events) < 100
    assert batch.more


def test_later_attempts_win_from_their_first_epoch() -> None:
    first = [metrics(1, a=1.0), metrics(2, a=2.0), metrics(3, a=3.0), metrics(4, a=4.0)]
    second = [metrics(3, 9.0, a=30.0), metrics(3, 9.5, b=31.0)]
    merged = merge_epochs([first, [NoteEvent(0.0, "info", "x")], second])
    assert [(m.epoch, m.t, m.values) for m in merged] == [
        (1, 1.0, {"a": 1.0}),
        (2, 1.0, {"a": 2.0}),
        (3, 9.5, {"a": 30.0, "b": 31.0}),
    ]
    assert merge_epochs([]) == []


@given(attempts=st.lists(st.lists(st.integers(0, 8)), max_size=4))
def test_merged_epochs_are_ordered_and_unique(attempts: list[list[int]]) -> None:
    merged = merge_epochs([[metrics(e, a=float(i)) for e in epochs] for i, epochs in enumerate(attempts)])
    epochs = [m.epoch for m in merged]
    assert epochs == sorted(set(epochs))
    last = next((set(a) for a in reversed(attempts) if a), set())
    assert last <= set(epochs)
    assert all(m.values == {"a": float(max(i for i, a in enumerate(attempts) if m.epoch in a))} for m in merged)
