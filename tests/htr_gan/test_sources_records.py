"""TFRecords: those that people have, read as they are, and our compact ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from htr_gan.__main__ import main
from htr_gan.config.data_section import DataConfig
from htr_gan.data.cache import HELD_OUT, TEST, TRAIN, load_lines
from htr_gan.data.lines import LineSet
from htr_gan.errors import BadLinesError, UsageError
from tests.htr_gan.source_makers import picture, record, write_records

LETTERS = " aelrt"
"""Labels 1 to 6."""
LETTER = [4, 3, 6, 6, 3, 5]
"""l e t t e r"""


def as_float(page: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (page / 255).astype(np.float32)


def pair(seed: int, height: int = 16, width: int = 96) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return as_float(picture(height, width, seed)), as_float(picture(height, width, seed, paper=150))


def good(seed: int) -> bytes:
    return record(*pair(seed), LETTER)


@pytest.fixture
def charset(tmp_path: Path) -> Path:
    path = tmp_path / "charset.txt"
    path.write_text("".join(f"{letter}\n" for letter in LETTERS))
    return path


def load(tmp_path: Path, source: Path, split: str = TRAIN, notes: list[str] | None = None, **more: Any) -> LineSet:
    keys = {"sources": (source,), "height": 16, "width": 96, "text_length": 12, **more}
    note = notes.append if notes is not None else (lambda _note: None)
    return load_lines(DataConfig.model_validate(keys), split, tmp_path / "cache", lambda: None, note, degraded=True)


def test_records_are_read_as_they_are(tmp_path: Path, charset: Path) -> None:
    """Raw float32 [height, width, 1], int64 labels with padding, shapes and dtypes as features."""
    source = write_records(tmp_path / "dataset_gan.tfrecord", [good(seed) for seed in range(40)])
    sets = {split: load(tmp_path, source, split, charset=charset) for split in (TRAIN, HELD_OUT, TEST)}
    assert sum(len(lines) for lines in sets.values()) == 40
    assert all(text == "letter" for lines in sets.values() for text in lines.texts), "double letters are genuine"
    train = sets[TRAIN]
    assert train.alphabet.letters == LETTERS
    assert train.names is not None
    assert train.degraded is not None
    for index, name in enumerate(train.names):
        seed = int(name.partition("#")[2])
        assert np.array_equal(train.clean[index], picture(16, 96, seed)), "every byte as it was before it became float"
        assert np.array_equal(train.degraded[index], picture(16, 96, seed, paper=150))
    again = load(tmp_path / "elsewhere", source, HELD_OUT, charset=charset)
    assert again.names == sets[HELD_OUT].names, "the split is the same everywhere"


def test_other_ranges_and_turned_pictures_are_seen(tmp_path: Path, charset: Path) -> None:
    page, worn = picture(16, 96, 1), picture(16, 96, 1, paper=150)
    around_zero = [(p / 127.5 - 1).astype(np.float32) for p in (page, worn)]
    turned = [np.ascontiguousarray(as_float(p).T) for p in (page, worn)]
    whole = [p.astype(np.float32) for p in (page, worn)]
    forms: list[list[NDArray[Any]]] = [around_zero, turned, whole, [page, worn]]
    source = write_records(tmp_path / "all" / "a.tfrecord", [record(clean, worn, LETTER) for clean, worn in forms])
    notes: list[str] = []
    sets = [load(tmp_path, source.parent, split, notes, charset=charset) for split in (TRAIN, HELD_OUT)]
    pictures = np.concatenate([lines.clean for lines in sets])
    assert len(pictures) >= 3
    for found in pictures:
        assert np.abs(found.astype(int) - page).max() <= 1
    assert any("1 pictures" in note and "turned" in note for note in notes)


def test_a_type_that_the_bytes_contradict_is_passed_over(tmp_path: Path, charset: Path) -> None:
    wrong = record(*pair(1), LETTER, label_dtype=b"int32", clean_image_dtype=b"<dtype: 'float64'>")
    source = write_records(tmp_path / "a.tfrecord", [wrong, good(2), good(3)])
    assert set(load(tmp_path, source, charset=charset).texts) == {"letter"}


def test_file_names_tell_splits_and_gzip_is_read(tmp_path: Path, charset: Path) -> None:
    folder = tmp_path / "records"
    write_records(folder / "train_pairs.tfrecord", [good(1), good(2)], "GZIP")
    write_records(folder / "val_pairs.tfrecord", [good(3)])
    assert len(load(tmp_path, folder, TRAIN, charset=charset)) == 2
    assert len(load(tmp_path, folder, HELD_OUT, charset=charset)) == 1


def bad_records() -> list[bytes]:
    clean, degraded = pair(50)
    broken = clean.copy()
    broken[0, 0] = np.nan
    return [
        record(clean, degraded, []),
        record(clean, degraded, [4, 7]),
        record(clean, degraded, [-1, 4]),
        record(clean, degraded, [4, 0, 3]),
        record(clean, degraded, [2] * 13),
        record(clean, as_float(picture(16, 64)), LETTER),
        record(broken, degraded, LETTER),
        record(clean, degraded, LETTER, clean_image_raw=b"1234"),
        record(clean, degraded, LETTER, clean_image_dtype=b"complex"),
        b"\xff\xff\xff",
    ]


def test_every_kind_of_bad_record_is_counted_and_named(tmp_path: Path, charset: Path) -> None:
    records = [good(seed) for seed in range(10)] + bad_records()
    source = write_records(tmp_path / "old.tfrecord", records)
    with pytest.raises(BadLinesError) as caught:
        load(tmp_path, source, charset=charset)
    text = str(caught.value)
    for expected in (
        "lines that cannot be trained on: 10;",
        "empty text: 1: old/old.tfrecord#10",
        "label id out of range: 2: old/old.tfrecord#11 (7; the charset has 6 letters), old/old.tfrecord#12 (-1;",
        "zero inside the label: 1: old/old.tfrecord#13 (at position 1 of 3)",
        "text too long: 1: old/old.tfrecord#14",
        "degraded and clean pictures differ in size: 1: old/old.tfrecord#15 (16 x 64 and 16 x 96)",
        "unreadable picture: 1: old/old.tfrecord#16",
        "unreadable record: 3: old/old.tfrecord#17 (clean_image: 4 bytes do not fill float32",
        "'complex' is not known",
        "not a tf.train.Example",
    ):
        assert expected in text
    notes: list[str] = []
    load(tmp_path, source, TRAIN, notes, charset=charset, on_bad="skip")
    assert any(note.startswith("bad lines left out: 10\n") for note in notes)


def test_a_file_that_is_cut_off_gives_what_comes_before(tmp_path: Path, charset: Path) -> None:
    source = write_records(tmp_path / "cut.tfrecord", [good(seed) for seed in range(8)])
    source.write_bytes(source.read_bytes()[:-50])
    with pytest.raises(BadLinesError, match=r"cut\.tfrecord#7 \(damaged from here on"):
        load(tmp_path, source, charset=charset)
    splits = [load(tmp_path, source, split, charset=charset, on_bad="skip") for split in (TRAIN, HELD_OUT)]
    assert 6 <= sum(len(lines) for lines in splits) <= 7


def test_labels_without_a_charset_are_refused(tmp_path: Path) -> None:
    source = write_records(tmp_path / "a.tfrecord", [good(1)])
    with pytest.raises(UsageError, match="charset file is needed"):
        load(tmp_path, source)


def test_clean_and_paired_records_are_not_mixed(tmp_path: Path, charset: Path) -> None:
    source = write_records(tmp_path / "a.tfrecord", [good(1), record(pair(2)[0], None, LETTER)])
    with pytest.raises(UsageError, match="mix lines with a degraded picture"):
        load(tmp_path, source, charset=charset)


def test_compact_records_are_four_times_smaller_and_read_by_the_same_reader(
    tmp_path: Path, charset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record(*pair(seed, 64, 512), LETTER, padding=122) for seed in range(20)]
    source = write_records(tmp_path / "raw.tfrecord", records)
    out = tmp_path / "compact"
    assert main(["import", str(source), "--charset", str(charset), "--out", str(out), "--format", "tfrecord"]) == 0
    assert {path.name for path in out.iterdir()} >= {"train.tfrecord", "charset.txt", "import.json"}
    compact = sum(path.stat().st_size for path in out.glob("*.tfrecord"))
    assert source.stat().st_size / compact > 3.9
    assert (out / "charset.txt").read_text() == charset.read_text()
    size: dict[str, Any] = {"height": 64, "width": 512}
    for split in (TRAIN, HELD_OUT, TEST):
        if not (out / f"{split}.tfrecord").is_file():
            continue
        first = load(tmp_path, source, split, charset=charset, **size)
        again = load(tmp_path, out, split, charset=charset, **size)
        assert np.array_equal(first.clean, again.clean)
        assert first.degraded is not None
        assert again.degraded is not None
        assert np.array_equal(first.degraded, again.degraded)
        assert first.texts == again.texts
    assert load(tmp_path, out, TRAIN, **size).texts[0] == "letter", "they hold their text and need no charset"
