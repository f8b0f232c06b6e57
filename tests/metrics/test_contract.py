"""What every reader of metrics keeps, whatever its trainer writes and whenever somebody dies."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htr_tui.files import dump_line
from htr_tui.metrics.collector import Collector
from htr_tui.metrics.events import MetricsEvent, all_events, merge_epochs
from tests.metrics.tellers import (
    FILE_TELLERS,
    TELLERS,
    Epochs,
    FileTeller,
    JsonTeller,
    LogTeller,
    MlflowTeller,
    Teller,
    TensorboardTeller,
)

STORY: Epochs = [
    {"loss": 0.9, "val/psnr": 11.25, "val/cer": 0.75},
    {"loss": 0.5, "val/psnr": 14.5, "val/cer": 0.5},
    {"loss": 0.1 + 0.2, "val/psnr": 1e-05, "val/cer": 0.125},
]


@pytest.fixture(params=TELLERS, ids=lambda kind: kind.name)
def teller(request: pytest.FixtureRequest, tmp_path: Path) -> Teller:
    made: Teller = request.param(tmp_path / "trainer")
    return made


@pytest.fixture(params=FILE_TELLERS, ids=lambda kind: kind.name)
def file_teller(request: pytest.FixtureRequest, tmp_path: Path) -> FileTeller:
    made: FileTeller = request.param(tmp_path / "trainer")
    return made


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def collector_of(teller: Teller, events: Path) -> Collector:
    return Collector(teller.name, teller.source(), events)


def table(events: Path) -> Epochs:
    """What everybody reads: the metrics by epoch, which must be gapless here."""
    merged = merge_epochs([all_events(events)])
    assert [m.epoch for m in merged] == list(range(1, len(merged) + 1))
    return [m.values for m in merged]


def lines(events: Path) -> list[tuple[int, str, float]]:
    """Every single value in the order of writing."""
    return [
        (event.epoch, name, value)
        for event in all_events(events)
        if isinstance(event, MetricsEvent)
        for name, value in event.values.items()
    ]


def assert_nothing_twice(events: Path) -> None:
    """No line says again what is said."""
    known: dict[tuple[int, str], float] = {}
    for epoch, name, value in lines(events):
        before = known.get((epoch, name))
        assert before is None or (before != value and not (math.isnan(before) and math.isnan(value)))
        known[epoch, name] = value


def test_values_come_as_they_are_told(teller: Teller, events: Path) -> None:
    collector = collector_of(teller, events)
    assert collector.collect()
    assert lines(events) == []
    for count in (1, 2, 3):
        teller.tell(STORY[:count])
        assert collector.collect()
        assert table(events) == STORY[:count]
    assert collector.collect(final=True)
    assert len(lines(events)) == 9
    assert collector.skipped == 0
    assert all(e.source == teller.name for e in all_events(events) if isinstance(e, MetricsEvent))


def test_a_quiet_source_writes_nothing(teller: Teller, events: Path) -> None:
    teller.tell(STORY)
    collector = collector_of(teller, events)
    collector.collect()
    before = events.read_bytes()
    for _ in range(3):
        assert collector.collect()
    assert events.read_bytes() == before


def test_a_restarted_collector_goes_on(teller: Teller, events: Path) -> None:
    for count in (1, 2, 3):
        teller.tell(STORY[:count])
        collector_of(teller, events).collect()
    before = events.read_bytes()
    assert collector_of(teller, events).collect(final=True)
    assert events.read_bytes() == before
    assert table(events) == STORY


def test_what_was_written_is_not_lost_with_its_source(file_teller: FileTeller, events: Path) -> None:
    file_teller.tell(STORY[:2])
    collector_of(file_teller, events).collect()
    file_teller.file.unlink()
    collector = collector_of(file_teller, events)
    assert collector.collect(final=True)
    assert table(events) == STORY[:2]
    assert "there is no" in collector.trouble


@pytest.mark.parametrize("restarted", [False, True])
def test_a_replaced_file_corrects_what_it_said(file_teller: FileTeller, events: Path, restarted: bool) -> None:
    file_teller.tell(STORY)
    collector = collector_of(file_teller, events)
    collector.collect()
    changed = [STORY[0], {**STORY[1], "loss": 0.75}, STORY[2]]
    data = file_teller.text(changed)
    file_teller.file.unlink()
    file_teller.put(data)
    collector = collector_of(file_teller, events) if restarted else collector
    assert collector.collect(final=True)
    assert table(events) == changed
    assert len(lines(events)) == 10


def test_a_truncated_file_is_read_anew(file_teller: FileTeller, events: Path) -> None:
    file_teller.tell(STORY)
    collector = collector_of(file_teller, events)
    collector.collect()
    other = [{**STORY[0], "loss": 7.0}]
    file_teller.file.write_bytes(file_teller.text(other))
    collector.collect(final=True)
    assert table(events) == [other[0], *STORY[1:]]


def test_nan_and_infinities_are_values(teller: Teller, events: Path) -> None:
    story = [{"loss": math.nan, "val/psnr": math.inf, "val/cer": -math.inf}, STORY[1]]
    teller.tell(story)
    collector = collector_of(teller, events)
    collector.collect()
    collector_of(teller, events).collect(final=True)
    (first, second) = table(events)
    assert math.isnan(first["loss"])
    assert (first["val/psnr"], first["val/cer"]) == (math.inf, -math.inf)
    assert second == STORY[1]
    assert_nothing_twice(events)
    assert b"NaN" not in events.read_bytes()


def test_missing_metrics_are_not_yet(teller: Teller, events: Path) -> None:
    collector = collector_of(teller, events)
    story: Epochs = [{"loss": 1.0}, {"loss": 0.5, "val/psnr": 3.0}]
    teller.tell(story)
    assert collector.collect()
    assert table(events) == story
    assert collector.skipped == 0


@pytest.mark.parametrize("kind", [JsonTeller, TensorboardTeller, MlflowTeller], ids=lambda kind: kind.name)
def test_hostile_names_are_left_out_and_counted(kind: Callable[[Path], Teller], tmp_path: Path, events: Path) -> None:
    teller = kind(tmp_path / "trainer")
    teller.tell([{"good": 1.0, "red\x1b[31m": 2.0, "n" * 5000: 3.0, "line\nbreak": 4.0, "turned\u202ename": 5.0}])
    collector = collector_of(teller, events)
    collector.collect()
    if isinstance(teller, JsonTeller):
        teller.file.touch()  # read again, not counted again
    collector.collect(final=True)
    assert table(events) == [{"good": 1.0}]
    assert collector.skipped == 4


def test_garbage_hides_nothing_behind_it(file_teller: FileTeller, events: Path) -> None:
    if not file_teller.broken:
        pytest.skip("it has no garbage of its own")
    whole, first = file_teller.text(STORY), file_teller.text(STORY[:1])
    assert whole.startswith(first)
    file_teller.put(first + file_teller.broken + b"\xff\x00\x1b[2J\n" + whole[len(first) :])
    collector = collector_of(file_teller, events)
    collector.collect(final=True)
    assert table(events)[1:] == STORY[1:]
    assert table(events)[0] == STORY[0]
    assert collector.skipped > 0


def test_binary_is_no_metric(file_teller: FileTeller, events: Path) -> None:
    file_teller.put(bytes(range(128, 256)) * 3000 + b"\0\n")
    collector = collector_of(file_teller, events)
    assert collector.collect(final=True)
    assert lines(events) == []


def test_a_pipe_and_a_folder_do_not_hang(file_teller: FileTeller, events: Path) -> None:
    file_teller.put(b"")
    file_teller.file.unlink(missing_ok=True)
    os.mkfifo(file_teller.file)
    collector = collector_of(file_teller, events)
    assert collector.collect(final=True)
    assert collector.trouble
    file_teller.file.unlink()
    file_teller.file.mkdir()
    assert collector.collect(final=True)
    assert lines(events) == []


def test_a_file_that_nobody_may_read_is_waited_for(file_teller: FileTeller, events: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    file_teller.tell(STORY)
    file_teller.file.chmod(0)
    collector = collector_of(file_teller, events)
    collector.collect()
    assert lines(events) == []
    file_teller.file.chmod(0o600)
    collector.collect()
    assert table(events) == STORY


def test_a_link_to_the_file_is_the_file(file_teller: FileTeller, events: Path, tmp_path: Path) -> None:
    if isinstance(file_teller, TensorboardTeller):
        pytest.skip("links within its folder are not followed")
    file_teller.tell(STORY)
    file_teller.file.rename(tmp_path / "elsewhere")
    file_teller.file.symlink_to(tmp_path / "elsewhere")
    collector_of(file_teller, events).collect(final=True)
    assert table(events) == STORY


def test_each_half_waits_for_the_other(file_teller: FileTeller, events: Path) -> None:
    """Byte by byte: never a value that is not in the story, and all of them in the end."""
    whole = file_teller.text(STORY[:2])
    collector = collector_of(file_teller, events)
    allowed = {(e, n, v) for e, values in enumerate(STORY, 1) for n, v in values.items()}
    if not file_teller.grows:
        file_teller.put(file_teller.text(STORY[:1]))
        collector.collect()
    for end in range(0, len(whole) + 1, 3):
        file_teller.file.parent.mkdir(exist_ok=True)
        file_teller.file.write_bytes(whole[:end])
        collector.collect()
        assert set(lines(events)) <= allowed
    file_teller.put(whole)
    collector.collect()
    assert table(events) == STORY[:2]
    assert_nothing_twice(events)
    assert collector.skipped == 0


def test_the_last_line_needs_no_end(tmp_path: Path, events: Path) -> None:
    teller = LogTeller(tmp_path / "trainer")
    teller.put(b"Epoch 1/3\nloss=0.5")
    collector = collector_of(teller, events)
    assert collector.collect()
    assert lines(events) == []
    assert collector.collect(final=True)
    assert lines(events) == [(1, "loss", 0.5)]


def test_the_trainer_may_write_events_beside(teller: Teller, events: Path) -> None:
    own = {"t": 1.0, "kind": "metrics", "epoch": 1, "values": {"own": 1.0, "loss": 0.9}}
    events.write_bytes(dump_line(own))
    teller.tell(STORY[:1])
    collector_of(teller, events).collect()
    assert table(events) == [{**STORY[0], "own": 1.0}]
    events.write_bytes(events.read_bytes() + dump_line({**own, "epoch": 2}))
    teller.tell(STORY)
    collector_of(teller, events).collect(final=True)
    assert table(events)[1:] == [{**STORY[1], "own": 1.0}, STORY[2]]


def test_half_a_line_of_the_trainer_is_waited_for_then_ended(teller: Teller, events: Path) -> None:
    half, rest = b'{"t": 1.0, "kind": "metrics", "epoch"', b': 1, "values": {"own": 2.0}}\n'
    teller.tell(STORY)
    events.write_bytes(half)
    collector = collector_of(teller, events)
    assert not collector.collect()
    assert events.read_bytes() == half
    events.write_bytes(half + rest)
    assert collector.collect()
    assert table(events) == [{**STORY[0], "own": 2.0}, *STORY[1:]]
    events.write_bytes(half)  # somebody died, and so did the collector
    assert collector_of(teller, events).collect(final=True)
    assert table(events) == STORY


def test_a_full_disk_loses_and_doubles_nothing(teller: Teller, events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teller.tell(STORY[:2])
    collector = collector_of(teller, events)
    real = os.write
    room = [37]

    def write(fd: int, data: bytes) -> int:
        if not room:
            return real(fd, data)
        taken = min(room[0], len(data))
        room[0] -= taken
        if not taken:
            raise OSError(28, "No space left on device")
        return real(fd, data[:taken])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space"):
        collector.collect()
    room.clear()
    teller.tell(STORY)
    assert collector.collect(final=True) or collector.collect(final=True)
    assert table(events) == STORY
    assert_nothing_twice(events)


@pytest.mark.parametrize("kind", TELLERS, ids=lambda kind: kind.name)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_killed_anywhere_nothing_is_lost_or_doubled(
    kind: Callable[[Path], Teller], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The trainer's file cut anywhere, the collector killed anywhere, its last write cut anywhere."""
    folder = tmp_path_factory.mktemp("killed")
    teller, events = kind(folder / "trainer"), folder / "events.jsonl"
    epochs, parts = data.draw(st.integers(1, 6)), st.floats(0, 1)
    story = [
        {name: data.draw(st.sampled_from([0.5, 1.0, 2.25, math.inf])) + e for name in ("loss", "val/psnr", "val/cer")}
        for e in range(epochs)
    ]
    collector = collector_of(teller, events)
    for count in range(1, epochs + 1):
        if isinstance(teller, FileTeller) and not isinstance(teller, MlflowTeller):
            whole = teller.text(story[:count])
            for part in sorted(data.draw(st.lists(parts, max_size=3))):
                end = int(part * len(whole))
                if teller.grows and teller.file.exists() and end < teller.file.stat().st_size:
                    continue
                teller.put(whole[:end])
                collector.collect()
        teller.tell(story[:count])
        action = data.draw(st.sampled_from(["collect", "nothing", "kill", "cut"]))
        if action in ("collect", "cut"):
            size = events.stat().st_size if events.exists() else 0
            collector.collect()
            if action == "cut" and events.exists():
                os.truncate(events, size + int(data.draw(parts) * (events.stat().st_size - size)))
        if action in ("kill", "cut"):
            collector = collector_of(teller, events)
    assert collector.collect(final=True)
    assert table(events) == story
    assert_nothing_twice(events)


def test_reading_stops_when_the_time_is_over(tmp_path: Path, events: Path) -> None:
    """A huge backlog is taken in pieces; after a restart nothing is written before the past is behind."""
    teller = LogTeller(tmp_path / "trainer")
    teller.put(b"Epoch 1/3\nloss=1.0\n" + b"noise\n" * 200_000 + b"loss=2.0\nEpoch 2/3\nloss=3.0\n")
    collector = collector_of(teller, events)
    assert not collector.collect(budget_s=0.0)
    assert lines(events) == [(1, "loss", 1.0)]
    collector = collector_of(teller, events)
    assert not collector.collect(budget_s=0.0)
    assert lines(events) == [(1, "loss", 1.0)]
    while not collector.collect(budget_s=0.0):
        pass
    assert lines(events) == [(1, "loss", 1.0), (1, "loss", 2.0), (2, "loss", 3.0)]


def test_a_collector_works_in_any_thread(teller: Teller, events: Path) -> None:
    teller.tell(STORY)
    thread = threading.Thread(target=lambda: collector_of(teller, events).collect(final=True))
    thread.start()
    thread.join()
    assert table(events) == STORY


def test_lines_carry_the_time_of_collection_or_of_the_source(teller: Teller, events: Path) -> None:
    before = time.time()
    teller.tell(STORY)
    collector_of(teller, events).collect(final=True)
    times = {event.t for event in all_events(events)}
    if teller.name in ("tensorboard", "mlflow"):
        assert max(times) < 1.71e9
    else:
        assert before <= min(times)
