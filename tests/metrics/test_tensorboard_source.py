"""Event files of TensorFlow, Keras and PyTorch's kind, whole, torn and broken.

`event_files` was written by Keras's TensorBoard callback (train, validation), tf.summary (extra, with histograms and
texts), the old FileWriter (v1) and tensorboardX (x, as PyTorch's SummaryWriter does).
"""

from __future__ import annotations

import math
import os
import shutil
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.metrics.epochs import EpochRule
from htr_tui.metrics.growing import Place
from htr_tui.metrics.tensorboard_source import TensorboardSource
from htr_tui.metrics.tfevents import MAX_RECORD, Corrupt, masked_crc32c, scalars_of
from tests.metrics.tellers import field, record, scalar

REAL = Path(__file__).parent / "event_files"
Table = dict[int, dict[str, float]]


def source_of(folder: Path, rule: EpochRule | None = None, *only: str) -> TensorboardSource:
    return TensorboardSource(Place(str(folder)), rule or EpochRule(), only)


def table_of(source: TensorboardSource, *, final: bool = True) -> Table:
    table: Table = {}
    reading = source.read(time.monotonic() + 60, final=final)
    assert reading.is_done
    for observation in reading.found:
        table.setdefault(observation.epoch, {}).update(observation.values)
    return dict(sorted(table.items()))


def write(folder: Path, data: bytes, name: str = "events.out.tfevents.1.host", mode: str = "ab") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, mode) as file:
        file.write(data)
    return folder / name


def test_files_of_keras() -> None:
    rule = EpochRule(first=0)
    table = table_of(source_of(REAL, rule, "train/*", "validation/epoch_*"))
    assert list(table) == [1, 2, 3]
    assert [values["validation/epoch_loss"] for values in table.values()] == [
        0.23442372679710388, 0.20713673532009125, 0.1830260008573532,
    ]  # fmt: skip
    assert set(table[1]) == {"train/epoch_loss", "train/epoch_learning_rate", "validation/epoch_loss"}


def test_files_of_other_writers() -> None:
    source = source_of(REAL, EpochRule(), "x/*", "extra/*", "v1/*")
    table = table_of(source)
    assert table[2]["x/val/psnr"] == 21.0
    assert [table[step]["v1/old"] for step in (0, 1, 2)] == [0.0, 0.5, 1.0]
    assert (table[1]["extra/zero"], table[1]["extra/whole"]) == (0.0, 7.0)
    assert math.isnan(table[1]["extra/nan"])
    assert {name for values in table.values() for name in values} == {
        "x/val/psnr", "v1/old", "extra/zero", "extra/whole", "extra/nan",
    }  # fmt: skip
    assert source.skipped == 0


@pytest.mark.parametrize("path", sorted(REAL.rglob("events*")), ids=lambda path: path.parent.name)
def test_a_real_file_that_grows_byte_by_byte(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    expected = table_of(source_of(path.parent))
    source, table = source_of(tmp_path), Table()
    for begin in range(0, len(whole), 97):
        write(tmp_path, whole[begin : begin + 97])
        for observation in source.read(time.monotonic() + 60, final=False).found:
            table.setdefault(observation.epoch, {}).update(observation.values)
    assert repr(dict(sorted(table.items()))) == repr(expected)
    assert source.skipped == 0


def test_a_run_that_was_started_again_wins(tmp_path: Path) -> None:
    write(tmp_path, b"".join(scalar("a", step, 1.0, as_tensor=False) for step in (1, 2, 3)))
    source = source_of(tmp_path)
    table_of(source)
    write(tmp_path, scalar("a", 2, 5.0, as_tensor=True), "events.out.tfevents.2.host")
    assert table_of(source) == {2: {"a": 5.0}}
    assert table_of(source_of(tmp_path)) == {1: {"a": 1.0}, 2: {"a": 5.0}, 3: {"a": 1.0}}


def test_where_the_epoch_comes_from(tmp_path: Path) -> None:
    """Lightning's way: the epoch is a metric at the same step, told after the others."""
    for step, epoch in ((10, 0.0), (20, 0.0), (30, 1.0)):
        write(tmp_path, scalar("loss", step, step / 10, as_tensor=False))
        write(tmp_path, scalar("epoch", step, epoch, as_tensor=False))
    rule = EpochRule("epoch", first=0)
    assert table_of(source_of(tmp_path, rule)) == {1: {"loss": 2.0}, 2: {"loss": 3.0}}
    assert table_of(source_of(tmp_path, EpochRule("count"), "loss")) == {k: {"loss": float(k)} for k in (1, 2, 3)}
    source = source_of(tmp_path, rule)
    table_of(source, final=False)
    write(tmp_path, scalar("late", 35, 1.0, as_tensor=False))
    assert table_of(source, final=False) == {}  # its epoch may still be told
    assert table_of(source) == {2: {"late": 1.0}}


def test_broken_records_are_passed_over_and_counted(tmp_path: Path) -> None:
    good = scalar("a", 1, 1.0, as_tensor=False)
    broken = bytearray(scalar("a", 2, 2.0, as_tensor=False))
    broken[20] ^= 0xFF
    write(tmp_path, good + bytes(broken) + scalar("a", 3, 3.0, as_tensor=False))
    source = source_of(tmp_path)
    assert table_of(source) == {1: {"a": 1.0}, 3: {"a": 3.0}}
    assert source.skipped == 1


def test_behind_a_broken_length_nothing_can_be_read(tmp_path: Path) -> None:
    write(tmp_path, scalar("a", 1, 1.0, as_tensor=False) + b"\0" * 40)
    source = source_of(tmp_path)
    assert table_of(source, final=False) == {1: {"a": 1.0}}
    assert table_of(source) == {}
    assert source.skipped == 1


def test_large_records_are_stepped_over(tmp_path: Path) -> None:
    picture = record(field(5, b"x" * 5 * MAX_RECORD))
    write(tmp_path, scalar("a", 1, 1.0, as_tensor=False) + picture + scalar("a", 2, 2.0, as_tensor=False))
    source = source_of(tmp_path)
    assert table_of(source) == {1: {"a": 1.0}, 2: {"a": 2.0}}
    assert source.skipped == 0


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path, scalar("a", 1, 1.0, as_tensor=False) * 3)
    source = source_of(tmp_path)
    table_of(source)
    write(tmp_path, scalar("a", 1, 2.0, as_tensor=False), path.name, "wb")
    assert table_of(source) == {1: {"a": 2.0}}


def test_counted_epochs_are_not_counted_twice(tmp_path: Path) -> None:
    """A file looked at while it is written can seem to be another one; what it says then is the same again."""
    path = write(tmp_path, b"".join(scalar("a", step, step / 10, as_tensor=False) for step in (7, 8)))
    other = write(tmp_path, scalar("a", 9, 0.9, as_tensor=False), "events.out.tfevents.2.host")
    source = source_of(tmp_path, EpochRule("count"))
    before = table_of(source)
    os.utime(path, ns=(1, 1))
    assert (
        table_of(source)
        == before
        == {1: {"a": pytest.approx(0.7)}, 2: {"a": pytest.approx(0.8)}, 3: {"a": pytest.approx(0.9)}}
    )
    write(tmp_path, scalar("a", 10, 1.0, as_tensor=False), other.name)
    assert table_of(source) == {4: {"a": 1.0}}


def test_files_older_than_the_attempt_are_not_its_own(tmp_path: Path) -> None:
    """A folder beside the attempt's: what an earlier attempt left there is not told again."""
    old = write(tmp_path / "logs" / "train", b"".join(scalar("a", n, 1.0, as_tensor=False) for n in (1, 2, 3)))
    os.utime(old, (1000, 1000))
    write(tmp_path / "logs" / "train", scalar("a", 1, 5.0, as_tensor=False), "events.out.tfevents.2.host")
    place = Place(str(tmp_path / "logs"), home=tmp_path / "attempt", since=2000.0)
    assert table_of(TensorboardSource(place, EpochRule())) == {1: {"train/a": 5.0}}
    inside = Place(str(tmp_path / "logs"), home=tmp_path, since=2000.0)
    assert set(table_of(TensorboardSource(inside, EpochRule()))) == {1, 2, 3}


def test_links_and_other_files_are_left_alone(tmp_path: Path) -> None:
    shutil.copytree(REAL / "x", tmp_path / "logs" / "x")
    (tmp_path / "logs" / "loop").symlink_to(tmp_path / "logs")
    (tmp_path / "logs" / "events.out.tfevents.9").symlink_to("/dev/zero")
    (tmp_path / "logs" / "notes.txt").write_text("tfevents")
    assert set(table_of(source_of(tmp_path / "logs"))[1]) == {"x/val/psnr"}
    source = source_of(tmp_path / "nothing")
    assert table_of(source) == {}
    assert "there is no folder" in source.trouble


def test_the_checksum_is_that_of_the_specification() -> None:
    """CRC-32C of "123456789" is 0xE3069283; masked as TFRecord says."""
    crc = 0xE3069283
    assert masked_crc32c(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("kind", "content", "value"),
    [
        (1, field(4, struct.pack("<f", 0.5)), 0.5),
        (1, field(5, struct.pack("<f", 0.25)), 0.25),
        (2, field(6, struct.pack("<d", 0.1)), 0.1),
        (3, field(7, b"\x07"), 7.0),
        (9, field(10, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -1.0),
        (10, field(4, b"\x01"), 1.0),
        (19, field(4, struct.pack("<e", 1.5)), 1.5),
        (1, b"", 0.0),
        (7, field(8, b"text"), None),
        (1, field(4, struct.pack("<ff", 1, 2)), None),
        (2, field(6, struct.pack("<dd", 1, 2)), None),
    ],
)
def test_tensors_of_one_number(kind: int, content: bytes, value: float | None) -> None:
    item = field(1, b"a") + field(8, field(1, kind) + content)
    found = scalars_of(field(2, 3) + field(5, field(1, item)))
    assert [(s.tag, s.step, s.value) for s in found] == ([] if value is None else [("a", 3, value)])


@given(data=st.binary(max_size=200))
def test_any_bytes_are_events_or_corrupt(data: bytes) -> None:
    try:
        assert all(isinstance(scalar.value, float) for scalar in scalars_of(data))
    except Corrupt:
        pass
