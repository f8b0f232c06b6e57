"""Texts and fonts of the user's own: files, letters, and faces that cannot draw them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from htr_gan.alphabet import LOWERCASE
from htr_gan.config.data_section import DataConfig
from htr_gan.config.load import load_config
from htr_gan.data import make
from htr_gan.data.cache import HELD_OUT, TRAIN, load_lines, settings_of, write_lines
from htr_gan.data.fonts import load_faces
from htr_gan.data.lines import read_lines
from htr_gan.data.render import render_line
from htr_gan.data.texts import load_texts, texts_fingerprint
from htr_gan.errors import ConfigError, DataError, MissingFileError

SMALL = DataConfig(lines=12, held_out=4, height=32, width=256, text_length=20, fonts=("kalam",), workers=0)


def no_check() -> None:
    return None


def ignore(_message: str) -> None:
    return None


@pytest.fixture
def write_texts(tmp_path: Path) -> Callable[[str], Path]:
    def write(content: str) -> Path:
        path = tmp_path / "texts.txt"
        path.write_text(content, encoding="utf-8")
        load_texts.cache_clear()
        return path

    return write


def kalam_file() -> Path:
    return Path(load_faces(("kalam",))[0].path)


def test_texts_are_taken_from_the_file_and_give_the_alphabet(
    write_texts: Callable[[str], Path], tmp_path: Path
) -> None:
    path = write_texts("\n".join(f"Né en {1800 + number}" for number in range(40)) + "\n\n")
    data = SMALL.model_copy(update={"texts": path})
    train, held_out = (
        load_lines(data, split, tmp_path / "c", no_check, ignore, degraded=True) for split in (TRAIN, HELD_OUT)
    )
    assert all(text.startswith("Né en 18") for text in train.texts)
    assert train.alphabet.letters == held_out.alphabet.letters == "".join(sorted(set(" 0123456789Nené")))
    assert not set(train.texts) & set(held_out.texts), "no text is on both sides"
    rendered = load_lines(SMALL, TRAIN, tmp_path / "c", no_check, ignore, degraded=True)
    assert rendered.alphabet == LOWERCASE


def test_a_folder_of_lines_keeps_its_alphabet(write_texts: Callable[[str], Path], tmp_path: Path) -> None:
    data = SMALL.model_copy(update={"texts": write_texts("Élan\nÀ vous\n")})
    write_lines(data, tmp_path / "out", no_check)
    assert read_lines(tmp_path / "out" / TRAIN, with_degraded=True).alphabet.letters == " alnosuvÀÉ"


def test_words_come_by_their_counts(write_texts: Callable[[str], Path]) -> None:
    source = load_texts(str(write_texts("word\tcount\nrare\t1\nnever\t0\noften\t99\n")))
    rng = np.random.default_rng(1)
    texts = [source.sample(rng, 20, trains=True) for _ in range(300)]
    found = Counter(word for text in texts for word in text.split())
    assert set(found) == {"rare", "often"}
    assert found["often"] > 20 * found["rare"] > 0
    assert all(0 < len(text) <= 20 for text in texts)
    assert source.letters == " aefnort"


def test_long_texts_give_runs_of_their_words(write_texts: Callable[[str], Path]) -> None:
    text = "one two three four five six seven eight nine ten eleven"
    source = load_texts(str(write_texts(text)))
    rng = np.random.default_rng(1)
    found = {source.sample(rng, 15, trains=True) for _ in range(100)}
    assert all(some in text and 0 < len(some) <= 15 for some in found)
    assert len(found) > 5
    assert source.sample(rng, 3, trains=True) in {word[:3] for word in text.split()}


def test_letters_are_composed_and_controls_left_out(write_texts: Callable[[str], Path]) -> None:
    source = load_texts(str(write_texts("\ufeffe\u0301te\u0301 \t  la\u200b\x07\n")))
    assert source.training == ("\u00e9t\u00e9 la",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no texts"),
        (b"\n \n", "no texts"),
        (b"caf\xe9\n", "not UTF-8 text"),
        (b"word\tcount\n", "no words"),
        (b"word\tcount\nde\n", "line 2 has no count"),
        (b"word\tcount\nde\t5\nvan\tmany\n", "line 3 has no count"),
        (b"word\tcount\nde\t-5\n", "line 2 has the count"),
        (b"word\tcount\nde\tnan\n", "line 2 has the count"),
    ],
)
def test_files_without_texts_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "wrong.txt"
    path.write_bytes(content)
    load_texts.cache_clear()
    with pytest.raises(DataError, match=message):
        load_texts(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"gone\.txt"):
        load_texts(str(tmp_path / "gone.txt"))


def test_a_font_file_is_as_good_as_its_package(tmp_path: Path) -> None:
    shutil.copy(kalam_file(), tmp_path / "mine.ttf")
    (own,) = load_faces((str(tmp_path / "mine.ttf"),))
    (same,) = load_faces((str(tmp_path),))
    assert own == same
    first, second = [
        render_line("good sound", (face,), 32, 256, np.random.default_rng(1))
        for face in (own, load_faces(("kalam",))[0])
    ]
    assert np.array_equal(first, second)
    assert own.key.startswith("mine.ttf:")
    assert own.checksum
    assert own.checksum in own.key


def test_fonts_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.ttf").write_bytes(b"no font")
    with pytest.raises(DataError, match=r"bad\.ttf"):
        load_faces((str(tmp_path / "bad.ttf"),))
    for gone in (tmp_path / "gone.otf", tmp_path / "gone" / "x"):
        with pytest.raises(MissingFileError, match="gone"):
            load_faces((str(gone),))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="empty"):
        load_faces((str(tmp_path / "empty"),))


def test_a_face_knows_what_it_can_draw() -> None:
    (face, *_) = load_faces(("kalam",))
    assert face.can_draw("Good sound, 1807")
    assert face.can_draw("")
    assert not face.can_draw("good \u1780")


def test_texts_that_no_face_can_draw_are_passed_over(write_texts: Callable[[str], Path], tmp_path: Path) -> None:
    path = write_texts("\n".join(["plain", "\u1780\u1781"] * 20))
    data = SMALL.model_copy(update={"texts": path})
    lines = load_lines(data, TRAIN, tmp_path / "c", no_check, ignore, degraded=False)
    assert set(lines.texts) == {"plain"}
    hopeless = SMALL.model_copy(update={"texts": write_texts("\u1780\n")})
    with pytest.raises(DataError, match="no font can draw"):
        load_lines(hopeless, TRAIN, tmp_path / "c", no_check, ignore, degraded=False)


def test_a_face_that_lacks_a_letter_is_not_chosen(
    write_texts: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = load_faces(("kalam", "zeyada"))
    settings = settings_of(SMALL.model_copy(update={"texts": write_texts("abc\n")}), TRAIN, degraded=False)
    chosen: list[tuple[object, ...]] = []
    monkeypatch.setattr(type(faces[0]), "can_draw", lambda face, _text: face.path == faces[0].path)
    monkeypatch.setattr(make, "render_line", lambda _text, able, *_args, **_kwargs: chosen.append(able))
    make.clean_line(settings, faces, 0)
    assert chosen == [(faces[0],)]


def test_tall_letters_are_not_cut_off() -> None:
    face = replace(load_faces(("kalam",))[0], ascent=0.2, descent=0.1)  # as if all its letters were very low

    def cut(*, whole: bool) -> int:
        """Dark pixels in the first and last row."""
        pages = [render_line("good", (face,), 32, 256, np.random.default_rng(seed), whole=whole) for seed in range(10)]
        assert all(page.min() < 130 for page in pages)
        return sum(int((page[[0, -1]] < 128).sum()) for page in pages)

    assert cut(whole=True) < cut(whole=False) / 3


def test_other_texts_or_fonts_are_another_set(write_texts: Callable[[str], Path], tmp_path: Path) -> None:
    def name(**changes: object) -> str:
        return settings_of(SMALL.model_copy(update=changes), TRAIN, degraded=True).name()

    shutil.copy(kalam_file(), tmp_path / "mine.ttf")
    names = {name(), name(fonts=(str(tmp_path / "mine.ttf"),)), name(texts=write_texts("abc\n"))}
    texts_fingerprint.cache_clear()
    names.add(name(texts=write_texts("abd\n")))
    assert len(names) == 4


def test_paths_are_relative_to_the_configuration(write_config: Callable[[str], Path], tmp_path: Path) -> None:
    config = load_config(write_config("task: gan\ndata: {texts: t/words.tsv, fonts: [./f, mine.otf, kalam]}\n"))
    assert config.data.texts == tmp_path / "t" / "words.tsv"
    assert config.data.fonts == (str(tmp_path / "f"), str(tmp_path / "mine.otf"), "kalam")
    with pytest.raises(ConfigError, match="not the name of a font package"):
        load_config(write_config("task: gan\ndata: {fonts: ['no font']}\n"))


def test_settings_of_rendered_texts_are_json(write_texts: Callable[[str], Path]) -> None:
    settings = settings_of(SMALL.model_copy(update={"texts": write_texts("abc\n")}), TRAIN, degraded=True)
    assert json.loads(json.dumps(settings.record()))["alphabet"] == "abc"
