"""Which file is meant, and whether it is still the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htr_tui.metrics.epochs import number_of, step_of
from htr_tui.metrics.growing import CHUNK, Chunk, GrowingFile, Place, files_below


def everything(file: GrowingFile, *, final: bool = False) -> list[bytes]:
    found: list[bytes] = []
    while True:
        chunk: Chunk = file.read(final=final)
        found += chunk.lines
        if chunk.is_done:
            return found


def test_the_newest_of_a_pattern(tmp_path: Path) -> None:
    for age, name in ((30, "run-1"), (10, "run-2"), (20, "run-3")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text(name)
        os.utime(tmp_path / name / "log.csv", (1e9 - age, 1e9 - age))
    place = Place(f"{tmp_path}/run-*/log.csv", is_pattern=True)
    assert place.find() == tmp_path / "run-2" / "log.csv"
    assert Place(f"{tmp_path}/x*", is_pattern=True).find() is None
    assert Place(f"{tmp_path}/run-*/log.csv").find() is None
    file = GrowingFile(place)
    assert everything(file, final=True) == [b"run-2"]
    os.utime(tmp_path / "run-3" / "log.csv")
    assert everything(file, final=True) == [b"run-3"]


def test_what_is_older_than_the_attempt_is_not_its_own(tmp_path: Path) -> None:
    home = tmp_path / "attempt-1"
    home.mkdir()
    for folder in (tmp_path, home):
        (folder / "a.csv").write_text("x")
        os.utime(folder / "a.csv", (1000, 1000))
    assert Place(str(tmp_path / "a.csv"), home=home, since=1003.0).find() is None
    assert Place(str(tmp_path / "a.csv"), home=home, since=1001.0).find() is not None
    assert Place(str(home / "a.csv"), home=home, since=1003.0).find() is not None
    assert Place(str(tmp_path / ("n" * 300)), home=home).find() is None


@pytest.mark.parametrize("same_place", [True, False])
def test_the_same_size_written_anew_is_noticed(tmp_path: Path, same_place: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1,2\n" * 1000 + b"3,4\n" * 1000)
    os.utime(path, ns=(0, 1))
    file = GrowingFile(Place(str(path)))
    assert len(everything(file)) == 2000
    other = b"5,6\n" * 1000 + b"3,4\n" * 1000
    if same_place:
        path.write_bytes(other)
    else:
        (tmp_path / "b").write_bytes(other)
        (tmp_path / "b").replace(path)
    os.utime(path, ns=(0, 2))
    assert everything(file)[:1] == [b"5,6"]


def test_a_longer_one_with_other_bytes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one\ntwo\n")
    file = GrowingFile(Place(str(path)))
    everything(file)
    path.write_bytes(b"three\nfour\nfive\n")
    chunk = file.read(final=False)
    assert chunk.restarted
    assert chunk.lines == (b"three", b"four", b"five")


@given(data=st.data())
def test_any_split_of_writes_gives_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    alphabet = st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"x" * (CHUNK // 3), b"\0\xff"])
    whole = b"".join(data.draw(st.lists(alphabet, max_size=12)))
    path = tmp_path_factory.mktemp("split") / "a"
    file, found = GrowingFile(Place(str(path)), b"\n\r"), list[bytes]()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    with open(path, "wb", buffering=0) as out:
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            out.write(whole[begin:end])
            found += everything(file)
    found += everything(file, final=True)
    expected = [line for line in whole.replace(b"\r", b"\n").split(b"\n") if line]
    assert [line for line in found if 0 < len(line) < CHUNK] == [line for line in expected if len(line) < CHUNK]


def test_files_below_a_folder(tmp_path: Path) -> None:
    for name in ("b/x.1", "a/x.2", "x.3", "a/deep/er/x.4", "other"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {str(p.relative_to(tmp_path)) for p in files_below(tmp_path, "x.", depth=1, limit=100)}
    assert found == {"b/x.1", "a/x.2", "x.3"}
    assert len(list(files_below(tmp_path, "x.", depth=9, limit=3))) <= 3


@pytest.mark.parametrize(
    "text", ["", "1_000", "0x10", "1,5", "one", "1" * 101, "\u0661", "1 2", "--1", "infinit", "e5"]
)
def test_texts_that_are_no_numbers(text: str) -> None:
    assert number_of(text) is None


def test_numbers_and_steps() -> None:
    assert [number_of(text) for text in ("1", " -1.5e3 ", ".5", "5.", "+inf", "Infinity", "-INF")] == [
        1.0, -1500.0, 0.5, 5.0, float("inf"), float("inf"), float("-inf"),
    ]  # fmt: skip
    assert [step_of(value) for value in ("7", 7.0, 7.5, -1, "nan", 10**400, None)] == [
        7,
        7,
        None,
        None,
        None,
        None,
        None,
    ]
