"""Rendering, degrading, and the cache of both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from htr_gan.alphabet import LOWERCASE
from htr_gan.config.data_section import FONTS, DataConfig
from htr_gan.data import cache, make
from htr_gan.data.cache import HELD_OUT, TRAIN, load_lines, settings_of, write_lines
from htr_gan.data.damage import Damage
from htr_gan.data.degrade import degrade
from htr_gan.data.fonts import load_faces
from htr_gan.data.lines import check_lines, read_lines
from htr_gan.data.render import render_line
from htr_gan.data.words import WORDS, sample_text
from htr_gan.errors import DataError, MissingFileError, StopRequested

SMALL = DataConfig(lines=6, held_out=4, height=16, width=64, text_length=6, fonts=("kalam",), workers=0)


def no_check() -> None:
    return None


def ignore(_message: str) -> None:
    return None


def test_words_are_in_the_alphabet_and_texts_fit() -> None:
    assert not LOWERCASE.unknown_letters("".join(WORDS))
    assert set(LOWERCASE.letters) == set(" ".join(WORDS))
    rng = np.random.default_rng(0)
    for longest in (1, 3, 22):
        assert all(1 <= len(sample_text(rng, longest)) <= longest for _ in range(50))


@pytest.mark.parametrize("family", FONTS)
def test_letters_stay_inside_the_picture(family: str) -> None:
    faces = load_faces((family,))
    for index in range(20):
        picture = render_line("quick fox jumping", faces, 32, 256, np.random.default_rng(index))
        assert picture.shape == (32, 256)
        assert picture.dtype == np.uint8
        assert picture.min() < 130, "ink"
        assert picture[:, 0].min() > 200, "nothing is cut off at the left"
        assert picture[:, -1].min() > 200, "nothing is cut off at the right"


def test_degrading_keeps_the_shape_and_grows_with_strength() -> None:
    faces = load_faces(("kalam",))
    clean = render_line("good sound", faces, 32, 256, np.random.default_rng(1))
    verso = render_line("other side", faces, 32, 256, np.random.default_rng(2))

    def distance(strength: float) -> float:
        distances = []
        for seed in range(8):
            generators = (np.random.default_rng(seed), np.random.default_rng(99))
            page = degrade(clean, verso, Damage(strength=strength), *generators)
            assert page.shape == clean.shape
            assert page.dtype == np.uint8
            distances.append(float(np.mean((page.astype(float) - clean) ** 2)))
        return float(np.mean(distances))

    assert 0 < distance(0.0) < distance(0.7) < distance(1.5)


def test_lines_depend_on_seed_split_and_index_only(tmp_path: Path) -> None:
    settings = settings_of(SMALL, TRAIN, degraded=True)
    for name, wanted in {"a": settings, "b": replace(settings, lines=3), "c": replace(settings, seed=9)}.items():
        (tmp_path / name).mkdir()
        make.make_lines(wanted, tmp_path / name, 0, no_check)
    first, shorter, other = (read_lines(tmp_path / name, with_degraded=True) for name in "abc")
    assert first.degraded is not None
    assert shorter.degraded is not None
    assert np.array_equal(first.clean[:3], shorter.clean)
    assert np.array_equal(first.degraded[:3], shorter.degraded)
    assert first.texts[:3] == shorter.texts
    assert not np.array_equal(first.clean, other.clean)
    assert len({picture.tobytes() for picture in first.degraded}) == 6


def test_several_processes_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "LINES_PER_PROCESS", 2)
    for name, workers in {"one": 0, "two": 2}.items():
        (tmp_path / name).mkdir()
        make.make_lines(settings_of(SMALL, TRAIN, degraded=True), tmp_path / name, workers, no_check)
    for file in ("clean.npy", "degraded.npy", "texts.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_held_out_lines_are_other_lines(tmp_path: Path) -> None:
    train, held_out = (
        load_lines(SMALL, split, tmp_path, no_check, ignore, degraded=True) for split in (TRAIN, HELD_OUT)
    )
    assert (len(train), len(held_out)) == (6, 4)
    assert not {picture.tobytes() for picture in train.clean} & {picture.tobytes() for picture in held_out.clean}


def test_the_cache_makes_a_set_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    first = load_lines(SMALL, TRAIN, tmp_path, no_check, notes.append, degraded=True)
    assert notes == ["rendering 6 train lines"]
    monkeypatch.setattr(cache, "make_lines", lambda *_: pytest.fail("made again"))
    again = load_lines(SMALL, TRAIN, tmp_path, no_check, notes.append, degraded=True)
    assert np.array_equal(first.clean, again.clean)
    assert len(notes) == 1
    with pytest.raises(pytest.fail.Exception):
        load_lines(SMALL.model_copy(update={"strength": 0.5}), TRAIN, tmp_path, no_check, ignore, degraded=True)


@pytest.mark.parametrize("damage", ["truncate", "remove", "texts"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, damage: str) -> None:
    first = load_lines(SMALL, TRAIN, tmp_path, no_check, ignore, degraded=True)
    folder = next((tmp_path / "lines").glob("train-*[!k]"))
    if damage == "truncate":
        os.truncate(folder / "degraded.npy", 200)
    elif damage == "remove":
        (folder / "settings.json").unlink()
    else:
        (folder / "texts.json").write_text("[1]")
    again = load_lines(SMALL, TRAIN, tmp_path, no_check, ignore, degraded=True)
    assert first.degraded is not None
    assert again.degraded is not None
    assert np.array_equal(first.degraded, again.degraded)
    assert again.texts == first.texts


def test_a_stop_while_rendering_leaves_nothing(tmp_path: Path) -> None:
    def stop() -> None:
        raise StopRequested("SIGTERM")

    with pytest.raises(StopRequested):
        load_lines(SMALL, TRAIN, tmp_path, stop, ignore, degraded=True)
    assert [path.suffix for path in (tmp_path / "lines").iterdir()] == [".lock"]


LOADER = """
import sys
from pathlib import Path
from htr_gan.config.data_section import DataConfig
from htr_gan.data.cache import load_lines
data = DataConfig(lines=400, height=16, width=64, text_length=6, fonts=("kalam",), workers=0)
if __name__ == "__main__":
    lines = load_lines(data, "train", Path(sys.argv[1]), lambda: None, lambda m: print(m, flush=True), degraded=True)
    print("sum", int(lines.degraded.sum()), flush=True)
"""


def test_processes_that_want_the_same_lines_make_them_once(tmp_path: Path) -> None:
    script = tmp_path / "load.py"
    script.write_text(LOADER)
    command = [sys.executable, str(script), str(tmp_path / "cache")]
    several = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in several]
    assert [process.returncode for process in several] == [0, 0, 0]
    assert sum("rendering" in output for output in outputs) == 1
    assert len({output.splitlines()[-1] for output in outputs}) == 1


def test_a_killed_maker_leaves_no_lock_and_no_half_set(tmp_path: Path) -> None:
    script = tmp_path / "load.py"
    script.write_text(LOADER.replace("lines=400", "lines=20000"))
    command = [sys.executable, str(script), str(tmp_path / "cache")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "cache" / "lines").glob(".*.tmp")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    folder = tmp_path / "cache" / "lines"
    assert not [path for path in folder.iterdir() if path.name.startswith("train-") and path.is_dir()]
    script.write_text(LOADER)
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    settings = settings_of(
        DataConfig(lines=20000, height=16, width=64, text_length=6, fonts=("kalam",)), TRAIN, degraded=True
    )
    assert not (folder / settings.name()).exists()


def test_a_folder_of_lines_can_be_trained_on(tmp_path: Path) -> None:
    write_lines(SMALL, tmp_path / "out", no_check)
    rendered = load_lines(SMALL, TRAIN, tmp_path / "cache", no_check, ignore, degraded=True)
    given = SMALL.model_copy(update={"path": tmp_path / "out"})
    read = load_lines(given, TRAIN, tmp_path / "unused", no_check, ignore, degraded=True)
    assert np.array_equal(rendered.clean, read.clean)
    assert not (tmp_path / "unused").exists()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    gone = SMALL.model_copy(update={"path": tmp_path / "gone"})
    with pytest.raises(MissingFileError, match=r"No such file or directory: '.*gone'"):
        load_lines(gone, TRAIN, tmp_path, no_check, ignore, degraded=True)
    with pytest.raises(MissingFileError, match=r"settings\.json"):
        read_lines(tmp_path, with_degraded=True)
    no_font = SMALL.model_copy(update={"fonts": ("no-such-font",)})
    with pytest.raises(MissingFileError, match="fontpkg_no_such_font"):
        load_lines(no_font, TRAIN, tmp_path, no_check, ignore, degraded=True)


def test_lines_that_training_would_stumble_over_are_refused(tmp_path: Path) -> None:
    lines = load_lines(SMALL, TRAIN, tmp_path, no_check, ignore, degraded=True)
    check_lines(lines, LOWERCASE, 16, 64, 6, 16)
    with pytest.raises(DataError, match="16 x 64, not 32 x 64"):
        check_lines(lines, LOWERCASE, 32, 64, 6, 16)
    for text in ("", "abcdefg", "Abc", "aa"):
        wrong = replace(lines, texts=(text, *lines.texts[1:]))
        steps = 2 if text == "aa" else 16
        with pytest.raises(DataError, match="line 0"):
            check_lines(wrong, LOWERCASE, 16, 64, 6, steps)


def test_a_set_of_another_schema_is_refused(tmp_path: Path) -> None:
    write_lines(SMALL, tmp_path, no_check)
    settings = tmp_path / TRAIN / "settings.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "schema": 99}))
    with pytest.raises(DataError, match="schema 99"):
        read_lines(tmp_path / TRAIN, with_degraded=True)
