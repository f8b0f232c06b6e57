"""Folders of pictures with `.gt.txt`, folders of ours as sources, splits, sizes, files that grow."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from htr_gan.config.condition import parse_condition
from htr_gan.config.data_section import DataConfig
from htr_gan.data.cache import HELD_OUT, TEST, TRAIN, load_lines, write_lines
from htr_gan.data.lines import LineSet
from htr_gan.data.picture_file import PictureFile
from htr_gan.data.sources.fit import fit_picture, paper_grey
from htr_gan.data.sources.pictures import UnreadablePictureError, read_grey
from htr_gan.data.sources.source_line import tidy_text
from htr_gan.data.sources.splits import Place, assign_splits, splits_of_files
from htr_gan.errors import BadLinesError, DataError
from tests.htr_gan.source_makers import picture, write_picture


def load(tmp_path: Path, source: Path, split: str = TRAIN, **more: Any) -> LineSet:
    keys = {"sources": (source,), "height": 16, "width": 96, "text_length": 12, **more}
    data = DataConfig.model_validate(keys)
    return load_lines(data, split, tmp_path / "cache", lambda: None, lambda _note: None, degraded=True)


def write_text(folder: Path, name: str, text: str = "some text", ending: str = ".png") -> None:
    write_picture(folder / f"{name}{ending}", seed=len(name))
    (folder / f"{name}.gt.txt").write_text(text, encoding="utf-8")


def test_texts_beside_pictures_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "lines"
    write_text(folder / "train", "a", "\ufeffe\u0301te\u0301\u00a0 12\n")
    write_text(folder / "train", "b.nrm", "two", ".jpg")
    write_text(folder / "val", "c", "three", ".tif")
    write_picture(folder / "train" / "without text.png")
    train, held_out = load(tmp_path, folder), load(tmp_path, folder, HELD_OUT)
    assert train.texts == ("été 12", "two"), "NFC, one space for any white space, no byte order mark"
    assert train.names == ("lines/train/a", "lines/train/b.nrm")
    assert held_out.texts == ("three",)


def test_degraded_pictures_beside_clean_ones_make_pairs(tmp_path: Path) -> None:
    folder = tmp_path / "lines"
    for split, name in (("train", "a"), ("val", "b")):
        write_text(folder / split, name)
        Image.fromarray(picture(20, 80, paper=120)).save(folder / split / f"{name}.degraded.png")
    train = load(tmp_path, folder)
    assert train.degraded is not None
    assert paper_grey(train.degraded[0]) == 120
    write_text(folder / "train", "c")
    write_picture(folder / "train" / "c.degraded.png", width=60)
    with pytest.raises(BadLinesError, match="differ in size: 1: lines/train/c"):
        load(tmp_path, folder)


def test_bad_text_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "lines"
    for index in range(20):
        write_text(folder, f"good{index}", f"text {index}")
    write_text(folder, "empty", " \n")
    write_text(folder, "twice")
    write_picture(folder / "twice.jpg")
    (folder / "alone.gt.txt").write_text("no picture")
    write_text(folder, "latin")
    (folder / "latin.gt.txt").write_bytes("é".encode("latin-1"))
    write_text(folder, "junk")
    (folder / "junk.png").write_bytes(b"not a picture")
    with pytest.raises(BadLinesError) as caught:
        load(tmp_path, folder)
    text = str(caught.value)
    assert "lines that cannot be trained on: 5;" in text
    assert "empty text: 1: lines/empty" in text
    assert "name used twice: 1: lines/twice (twice.png twice.jpg)" in text
    assert "lines/alone (no picture alone.png" in text
    assert "lines/latin (latin.gt.txt is not UTF-8" in text
    assert "lines/junk (" in text
    load(tmp_path, folder, on_bad="skip")
    report = json.loads(next((tmp_path / "cache" / "lines").glob("import-*/import.json")).read_text())
    assert sum(report["lines"].values()) == 20
    assert report["bad"] == {"unreadable picture": 2, "empty text": 1, "unreadable record": 1, "name used twice": 1}


def test_a_split_that_the_sources_do_not_have_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "lines"
    write_text(folder / "train", "a")
    write_text(folder / "val", "b")
    with pytest.raises(DataError, match="the sources give no test lines"):
        load(tmp_path, folder, TEST)


def test_folders_of_ours_are_sources_too(tmp_path: Path) -> None:
    rendered = DataConfig(lines=5, held_out=3, height=16, width=96, text_length=6, fonts=("kalam",), workers=0)
    write_lines(rendered, tmp_path / "ours", lambda: None)
    train = load(tmp_path, tmp_path / "ours")
    assert len(train) == 5
    assert train.degraded is not None
    assert np.array_equal(train.clean, np.load(tmp_path / "ours" / "train" / "clean.npy"))


def test_pictures_of_any_depth_become_bytes(tmp_path: Path) -> None:
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((4, 4), 128 * 257, np.uint16)).save(deep)
    assert read_grey(deep)[0, 0] == 128
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(clear)
    assert read_grey(clear)[0, 0] == 255, "what is transparent is white"
    one = tmp_path / "one.png"
    Image.new("1", (4, 4), 1).save(one)
    assert read_grey(one)[0, 0] == 255
    with pytest.raises(UnreadablePictureError, match="No such file"):
        read_grey(tmp_path / "gone.png")


@given(st.integers(1, 60), st.integers(1, 300), st.integers(0, 5))
def test_any_picture_fits(height: int, width: int, seed: int) -> None:
    page = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    fitted = fit_picture(page, 32, 64)
    assert fitted.picture.shape == (32, 64)
    assert fitted.squeezed == (round(width * 32 / height) > 64)
    assert fit_picture(fitted.picture, 32, 64).picture is fitted.picture


def test_a_picture_file_grows_and_is_an_ordinary_npy(tmp_path: Path) -> None:
    path = tmp_path / "pictures.npy"
    pages = [picture(8, 24, seed) for seed in range(1001)]
    with PictureFile(path, 8, 24) as file:
        for page in pages:
            file.append(page)
        with pytest.raises(ValueError, match="in a file of"):
            file.append(picture(8, 23))
    assert np.array_equal(np.load(path, allow_pickle=False), np.stack(pages))


def test_names_of_files_tell_splits_only_together() -> None:
    names = [PurePath("train/a.png"), PurePath("val_1.tfrecord"), PurePath("x/test-2.png"), PurePath("trains.png")]
    assert splits_of_files(names) == ["train", "held-out", "test", None]
    assert splits_of_files([PurePath("train/a.png"), PurePath("other/b.png")]) == [None, None]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_no_page_is_cut_in_two_and_something_is_always_held_out(pages: list[int]) -> None:
    places = [Place(f"page {page}", None) for page in pages]
    splits = assign_splits(places)
    assert all(len({split for place, split in zip(places, splits, strict=True) if place == one}) == 1 for one in places)
    if len(set(pages)) >= 2:
        assert {TRAIN, HELD_OUT} <= set(splits)


def test_a_page_that_has_a_split_keeps_its_other_lines_in_it() -> None:
    assert assign_splits([Place("p", "test"), Place("p", None), Place("q", "train")]) == ["test", "test", "train"]


def test_texts_are_tidied() -> None:
    assert tidy_text("  a\t b\u2003c\n") == "a b c"


@pytest.mark.parametrize(("text", "value", "holds"), [(">= 70", 70, True), ("<1e2", 100, False), ("== .5", 0.5, True)])
def test_conditions(text: str, value: float, holds: bool) -> None:
    assert parse_condition(text).holds(value) is holds
    assert not parse_condition(text).holds(float("nan"))


@pytest.mark.parametrize("text", ["", "70", ">=", "=> 3", ">= x", ">= 1; import os", ">= 1 < 2"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a condition"):
        parse_condition(text)
