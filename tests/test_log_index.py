from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui import log_index
from htr_tui.log_index import LINE_LIMIT, LogIndex

TEXT = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"bb", b"\xff\x00", b"line", b"x" * 40])).map(b"".join)


def lines_of(data: bytes) -> list[bytes]:
    """What a reader of the whole file would see."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines]


def catch_up(index: LogIndex, budget: int = 1 << 24) -> None:
    while index.step(budget):
        pass


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that every test crosses many."""
    monkeypatch.setattr(log_index, "BLOCK", 16)
    monkeypatch.setattr(log_index, "SEARCH_CHUNK", 24)
    monkeypatch.setattr(log_index, "CACHED_BLOCKS", 2)


@pytest.mark.usefixtures("small_blocks")
@given(parts=st.lists(TEXT, max_size=8), budget=st.integers(1, 100))
def test_any_split_of_writes_gives_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], budget: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"
    index = LogIndex(path)
    written = b""
    with path.open("wb", buffering=0) as file:
        for part in parts:
            file.write(part)
            written += part
            catch_up(index, budget)
            expected = lines_of(written)
            assert index.line_count == len(expected)
            assert index.read_lines(0, 10_000) == expected
            assert [index.read_lines(i, 1) for i in range(len(expected))] == [[line] for line in expected]
            assert index.has_partial_line == (not written.endswith(b"\n") and bool(written))
            assert index.indexed_bytes == index.size == len(written)
    assert index.restarts == 0


@pytest.mark.usefixtures("small_blocks")
@given(
    data=st.lists(st.sampled_from([b"\n", b"needle", b"hay", b"h" * 30]), max_size=60).map(b"".join),
    start=st.integers(-3, 70),
    direction=st.sampled_from([1, -1]),
    budget=st.integers(1, 200),
)
def test_a_search_finds_the_next_line_whatever_its_budget(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, start: int, direction: Literal[1, -1], budget: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"
    path.write_bytes(data)
    index = LogIndex(path)
    catch_up(index)
    hits = [i for i, line in enumerate(lines_of(data)) if b"needle" in line[:24]]
    sure = [i for i, line in enumerate(lines_of(data)) if b"needle" in line]
    line, steps = start, 0
    while not (result := index.find(b"needle", line, direction, budget)).is_done:
        line, steps = result.next_line, steps + 1
        assert steps <= len(data) + 70
    if direction > 0:
        first_sure = next((i for i in hits if i >= start), None)
        candidates = [i for i in sure if i >= start]
    else:
        first_sure = next((i for i in reversed(hits) if i <= start), None)
        candidates = [i for i in sure if i <= start]
    assert result.line is None or result.line in candidates
    if first_sure is not None:
        assert result.line is not None
        assert result.line <= first_sure if direction > 0 else result.line >= first_sure


@given(
    before=TEXT.filter(bool), after=TEXT, kind=st.sampled_from(["truncate", "replace", "rewrite"]), gap=st.booleans()
)
def test_a_file_that_is_not_the_same_is_indexed_anew(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, after: bytes, kind: str, gap: bool
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"
    path.write_bytes(b"first" + before)
    index = LogIndex(path)
    catch_up(index)
    if kind == "replace":
        other = path.with_name("new")
        other.write_bytes(b"other" + after)
        os.replace(other, path)
    elif kind == "rewrite":
        path.write_bytes(b"other" + after + b"z" * len(before))
        after += b"z" * len(before)
    else:
        os.truncate(path, 0)
        if gap:
            catch_up(index)
            assert index.line_count == 0
        path.write_bytes(b"other" + after)
    catch_up(index)
    assert index.restarts == 1
    assert index.read_lines(0, 10_000) == lines_of(b"other" + after)


def test_between_truncation_and_the_next_look_nothing_wrong_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"one\ntwo\nthree\n")
    index = LogIndex(path)
    catch_up(index)
    path.write_bytes(b"x")
    assert index.read_lines(0, 3) == []
    assert index.find(b"two", 0).line is None
    other = tmp_path / "other"
    other.write_bytes(b"a much longer text than before\n")
    os.replace(other, path)
    assert index.read_lines(0, 3) == []
    catch_up(index)
    assert index.read_lines(0, 3) == [b"a much longer text than before"]


def test_a_missing_file_is_empty_and_may_come(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    index = LogIndex(path)
    assert not index.step()
    assert (index.is_missing, index.line_count, index.error) == (True, 0, None)
    assert index.read_lines(0, 5) == []
    assert index.find(b"x", 0).is_done
    path.write_bytes(b"hello")
    catch_up(index)
    assert (index.is_missing, index.restarts) == (False, 0)
    assert index.read_lines(0, 5) == [b"hello"]
    path.unlink()
    catch_up(index)
    assert (index.is_missing, index.line_count, index.restarts) == (True, 0, 1)


def test_what_is_no_file_is_refused_with_a_reason(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, Path("/dev/zero")):
        index = LogIndex(path)
        assert not index.step()
        assert index.error
        assert index.read_lines(0, 1) == []


def test_a_line_of_ten_megabytes_is_cut_and_stepped_over(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    size = 10_000_000
    path.write_bytes(b"before\n" + b"x" * size + b"needle\nafter\n" + b"y" * 70_000)
    index = LogIndex(path)
    catch_up(index)
    assert index.line_count == 4
    before, long, after, partial = index.read_lines(0, 10)
    assert (before, after) == (b"before", b"after")
    assert len(long) <= LINE_LIMIT
    assert long.endswith(b" bytes more")
    kept = long.count(b"x")
    assert long.endswith(f" ... {size + 6 - kept} bytes more".encode())
    assert len(partial) <= LINE_LIMIT
    assert index.find(b"after", 0).line == 2
    assert index.find(b"before", 3, -1).line == 0


def test_a_progress_display_on_one_line_shows_where_it_came_to(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"".join(b"step %d of 20000\r" % i for i in range(20_000)))
    index = LogIndex(path)
    catch_up(index)
    assert index.read_lines(0, 1) == [b"step 19999 of 20000"]


def test_indexing_goes_in_slices_and_reads_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"".join(b"line %d\n" % i for i in range(200_000)))
    index = LogIndex(path)
    seen = []
    while index.step(500_000):
        seen.append(index.indexed_bytes)
        assert index.indexed_bytes <= 500_000 * len(seen)
        last = index.line_count - 2
        assert index.read_lines(last, 1) == [b"line %d" % last]
    assert len(seen) >= 4
    assert index.line_count == 200_000
    assert index.read_lines(123_456, 2) == [b"line 123456", b"line 123457"]
    assert index.find(re.compile(rb"LINE 19999\d", re.IGNORECASE), 0).line == 199_990
    assert index.find(b"line 77\n", 199_999, -1).line == 77
    assert index.find(b"nowhere", 0).line is None


def test_one_thread_indexes_while_another_reads(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    index = LogIndex(path)
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not done.is_set():
            count = index.line_count
            lines = index.read_lines(max(0, count - 50), 49)
            wrong.extend(line for line in lines[:-1] if not line.startswith(b"line "))

    reader = threading.Thread(target=read)
    reader.start()
    with path.open("wb", buffering=0) as file:
        for i in range(300):
            file.write(b"".join(b"line %d\n" % j for j in range(i * 100, i * 100 + 100)))
            index.step()
    done.set()
    reader.join(10)
    assert wrong == []
    assert index.line_count == 30_000
