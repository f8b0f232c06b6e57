from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.files import (
    MAX_LINE,
    LineAppender,
    TailReader,
    dump_line,
    iterate_records,
    parse_line,
    parse_lines,
    read_json,
    to_number,
    write_atomic,
    write_json,
)

LINES = st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"_")), max_size=20)


def read_all(reader: TailReader, limit: int = 1 << 20) -> list[bytes]:
    lines: list[bytes] = []
    while new := reader.read_lines(limit):
        lines += new
    return lines


@given(lines=LINES, data=st.data())
def test_tail_gives_each_line_once_however_it_is_written(
    tmp_path: Path, lines: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    limit = data.draw(st.integers(1, 200))
    path = tmp_path / "f"
    path.unlink(missing_ok=True)
    reader, got = TailReader(path), []
    with open(path, "wb") as file:
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            file.write(whole[begin:end])
            file.flush()
            got += read_all(reader, limit)
            assert got == whole[:end].split(b"\n")[:-1]
    assert (reader.offset, reader.restarts) == (len(whole), 0)


@given(first=LINES.filter(bool), second=LINES, cut=st.integers(0, 200))
def test_tail_starts_again_after_truncation(tmp_path: Path, first: list[bytes], second: list[bytes], cut: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"".join(line + b"\n" for line in first))
    reader = TailReader(path)
    assert read_all(reader) == first
    size = reader.offset
    os.truncate(path, min(cut, size - 1))
    read_all(reader)
    assert reader.restarts == 1
    os.truncate(path, 0)
    read_all(reader)
    with open(path, "ab") as file:
        file.write(b"".join(line + b"\n" for line in second))
    assert read_all(reader) == second


@given(first=LINES, second=LINES)
def test_tail_starts_again_with_a_replaced_file(tmp_path: Path, first: list[bytes], second: list[bytes]) -> None:
    path, other = tmp_path / "f", tmp_path / "g"
    path.write_bytes(b"".join(line + b"\n" for line in first))
    reader = TailReader(path)
    assert read_all(reader) == first
    other.write_bytes(b"".join(line + b"\n" for line in second))
    os.replace(other, path)
    assert read_all(reader) == second
    assert reader.restarts == 1


def test_tail_waits_for_a_missing_file_and_for_the_end_of_a_line(tmp_path: Path) -> None:
    reader = TailReader(tmp_path / "f")
    assert reader.read_lines() == []
    (tmp_path / "f").write_bytes(b"half")
    assert reader.read_lines() == []
    with open(tmp_path / "f", "ab") as file:
        file.write(b" and half\n")
    assert reader.read_lines() == [b"half and half"]


def test_tail_goes_on_after_a_line_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * (3 * MAX_LINE) + b"\n" + dump_line({"a": 1}))
    records: list[dict[str, Any]] = []
    skipped = 0
    reader = TailReader(path)
    while True:
        before = reader.offset
        new, bad = reader.read_records()
        records, skipped = records + new, skipped + bad
        if reader.offset == before:
            break
    assert records == [{"a": 1}]
    assert skipped >= 1
    assert reader.offset == path.stat().st_size


def test_records_skip_and_count_garbage(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b'{"a": 1}\nnot json\n[1]\n\n\xff\xfe\n' + b"[" * 100_000 + b'\n{"b": 2}\n{"torn": ')
    reader = TailReader(path)
    assert reader.read_records() == ([{"a": 1}, {"b": 2}], 4)
    assert list(iterate_records(path)) == [{"a": 1}, {"b": 2}]


JSON_PIECES = st.sampled_from(
    [
        b'{"a": 1}',
        b' {"a": 1} ',
        b'{"a": 1}\r',
        b"[1]",
        b"{",
        b"}",
        b"",
        b"  ",
        b"\x00",
        b"NaN",
        b"\xff",
        "\ufeff{}".encode(),
        b'{"a": "\xc3\xa9"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": 1} {"b": 2}',
        '{"u": 1}'.encode("utf-16-le"),
        b"1" * 5000,
        b'{"a":' * 2000,
        b'{"a": [',
        b'{"b": 2}]}',
    ]
)


@given(lines=st.lists(JSON_PIECES | st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"_")), max_size=12))
def test_lines_parsed_together_are_those_parsed_one_by_one(lines: list[bytes]) -> None:
    alone = [parse_line(line) for line in lines if line.strip()]
    records = [record for record in alone if record is not None]
    assert repr(parse_lines(b"\n".join(lines))) == repr((records, len(alone) - len(records)))


@given(torn=st.binary(min_size=1, max_size=30).map(lambda b: b"{" + b.replace(b"\n", b"_")))
def test_appender_heals_a_torn_line(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "f"
    path.write_bytes(dump_line({"a": 1}) + torn)
    appender = LineAppender(path, durable=False)
    appender.append({"b": 2}, {"c": 3})
    appender.close()
    lines = path.read_bytes().split(b"\n")
    assert lines == [b'{"a": 1}', torn, b'{"b": 2}', b'{"c": 3}', b""]


def test_appender_heals_its_own_torn_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    appender = LineAppender(path)
    appender.append({"a": 1})
    write: Callable[[int, bytes], int] = os.write

    def half(fd: int, data: bytes) -> int:
        if len(data) < 5:
            raise OSError(errno.ENOSPC, "disk full")
        return write(fd, data[:4])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="disk full"):
            appender.append({"b": "lost"})
    appender.append({"c": 3})
    appender.close()
    assert list(iterate_records(path)) == [{"a": 1}, {"c": 3}]


def test_atomic_write_keeps_the_old_file_on_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_atomic(path, b"old")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="disk full"):
            write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


@given(value=st.floats() | st.integers())
def test_numbers_survive_the_way_through_json(value: float) -> None:
    line = dump_line({"v": value})
    assert b"NaN" not in line
    assert b"Infinity" not in line
    back = to_number(json.loads(line)["v"])
    try:
        expected = float(value)
    except OverflowError:
        assert back is None
        return
    assert back is not None
    assert math.isnan(back) if math.isnan(expected) else back == expected


@pytest.mark.parametrize("value", [None, "1.5", "NaN", [1], {}, "infinity", 10**400])
def test_what_is_no_number(value: Any) -> None:
    assert to_number(value) is None


def test_read_json_is_none_for_anything_but_an_object(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert read_json(path) is None
    for text in ("", "[1]", "{", "\0"):
        path.write_text(text)
        assert read_json(path) is None
    write_json(path, {"a": [math.inf, {"b": math.nan}], "p": tmp_path})
    assert read_json(path) == {"a": ["inf", {"b": "nan"}], "p": str(tmp_path)}


@given(text=st.text(max_size=50))
def test_any_text_fits_on_a_line(text: str) -> None:
    line = dump_line({"text": text})
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"text": text}


def test_lone_surrogates_do_not_stop_the_writer() -> None:
    assert json.loads(dump_line({"text": "a\ud800b"}))["text"] == "a?b"
