"""Line packs: read, checked, selected, imported once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from htr_gan.config.data_section import DataConfig
from htr_gan.config.load import load_config
from htr_gan.config.schema import RecognizerConfig
from htr_gan.data import cache
from htr_gan.data.cache import HELD_OUT, TEST, TRAIN, lines_identity, load_lines
from htr_gan.data.lines import LineSet, check_lines
from htr_gan.data.sources.charset import read_charset
from htr_gan.errors import BadLinesError, ConfigError, DataError, MissingFileError, StopRequested, UsageError
from tests.htr_gan.source_makers import COLUMNS, good_rows, row, write_pack, write_picture


def no_check() -> None:
    return None


def data_of(*sources: Path, **more: object) -> DataConfig:
    return DataConfig.model_validate({"sources": sources, "height": 16, "width": 96, "text_length": 12, **more})


def load(data: DataConfig, split: str, tmp_path: Path, notes: list[str] | None = None) -> LineSet:
    taken = notes if notes is not None else []
    return load_lines(data, split, tmp_path / "cache", no_check, taken.append, degraded=False)


def test_a_pack_gives_its_own_splits_at_one_size(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", good_rows())
    sets = {split: load(data_of(pack), split, tmp_path) for split in (TRAIN, HELD_OUT, TEST)}
    assert [len(lines) for lines in sets.values()] == [6, 2, 2]
    for lines in sets.values():
        assert lines.clean.shape[1:] == (16, 96)
        assert lines.imported
        assert lines.degraded is None
    train = sets[TRAIN]
    assert train.texts[0] == "line a"
    assert train.names is not None
    assert train.names[0] == "pack/lines/000.png"
    assert train.alphabet.letters == " abcdefiln", "sorted letters of the training texts only"
    assert (train.clean[:, :, 70:] == 200).all(), "padded at the right with the paper's grey"
    assert (train.clean[:, 3:13, :64].min(axis=(1, 2)) < 120).all(), "ink"


def test_aspect_is_kept_and_wide_lines_are_squeezed(tmp_path: Path) -> None:
    rows = good_rows(2, 1, 0)
    pack = write_pack(tmp_path / "pack", rows)
    write_picture(pack / str(rows[0]["file"]), seed=0, height=32, width=96)
    write_picture(pack / str(rows[1]["file"]), seed=1, height=16, width=300)
    notes: list[str] = []
    train = load(data_of(pack), TRAIN, tmp_path, notes)
    assert "lines squeezed to a width of 96 pixels: 1" in notes
    inked = np.flatnonzero(train.clean[0].min(axis=0) < 190)
    assert inked.max() < 48, "32 x 96 becomes 16 x 48"
    assert np.flatnonzero(train.clean[1].min(axis=0) < 190).max() > 64


def test_several_packs_train_together_and_share_one_alphabet(tmp_path: Path) -> None:
    one = write_pack(tmp_path / "a" / "pack", good_rows())
    two = write_pack(tmp_path / "b" / "pack", [row(0, "XYZ"), row(1, "Z", "val")])
    train = load(data_of(one, two), TRAIN, tmp_path)
    assert len(train) == 7
    assert train.names is not None
    assert train.names[-1] == "pack~2/lines/000.png", "two folders of one name are told apart"
    assert set("XYZ") < set(train.alphabet.letters)


def test_an_import_is_made_once_and_again_when_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = write_pack(tmp_path / "pack", good_rows())
    first = load(data_of(pack), TRAIN, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(cache, "import_lines", lambda *_: pytest.fail("made again"))
        again = load(data_of(pack), TRAIN, tmp_path)
        load(data_of(pack), TEST, tmp_path)
        with pytest.raises(pytest.fail.Exception):
            load(data_of(pack, height=32), TRAIN, tmp_path)
    assert np.array_equal(first.clean, again.clean)
    before = lines_identity(data_of(pack))
    write_picture(pack / "lines" / "000.png", seed=99)
    os.utime(pack / "lines" / "000.png", ns=(1, 1))
    assert lines_identity(data_of(pack)) != before
    assert not np.array_equal(load(data_of(pack), TRAIN, tmp_path).clean[0], first.clean[0])


@pytest.mark.parametrize("damage", ["clean.npy", "texts.json", "settings.json", "names.json"])
def test_a_damaged_import_is_made_again(tmp_path: Path, damage: str) -> None:
    pack = write_pack(tmp_path / "pack", good_rows())
    first = load(data_of(pack), HELD_OUT, tmp_path)
    file = next((tmp_path / "cache" / "lines").glob(f"import-*/held-out/{damage}"))
    os.truncate(file, 5)
    again = load(data_of(pack), HELD_OUT, tmp_path)
    assert np.array_equal(first.clean, again.clean)
    assert again.names == first.names


def test_a_stop_leaves_no_half_import(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", good_rows())

    def stop() -> None:
        raise StopRequested("SIGTERM")

    with pytest.raises(StopRequested):
        load_lines(data_of(pack), TRAIN, tmp_path / "cache", stop, lambda _note: None, degraded=False)
    assert [path.suffix for path in (tmp_path / "cache" / "lines").iterdir()] == [".lock"]


def test_lines_without_a_split_are_split_by_page_and_stay_there(tmp_path: Path) -> None:
    columns = [column for column in COLUMNS if column != "split"]
    rows = [row(index, page=f"page {index // 5}") for index in range(200)]
    pack = write_pack(tmp_path / "pack", rows, columns)
    pages: dict[str, set[int]] = {}
    for split in (TRAIN, HELD_OUT, TEST):
        names = load(data_of(pack), split, tmp_path).names
        assert names is not None
        pages[split] = {int(name[-7:-4]) // 5 for name in names}
    assert not pages[TRAIN] & pages[HELD_OUT]
    assert not pages[TEST] & (pages[TRAIN] | pages[HELD_OUT])
    assert 1 <= len(pages[HELD_OUT]) <= 12
    assert 1 <= len(pages[TEST]) <= 12
    more = write_pack(tmp_path / "more" / "pack", [*rows, row(200, page="page 40")], columns)
    names = load(data_of(more), HELD_OUT, tmp_path).names
    assert names is not None
    assert pages[HELD_OUT] <= {int(name[-7:-4]) // 5 for name in names}, "a new page moves no other"


def test_select_takes_training_and_held_out_lines_but_never_test_lines(tmp_path: Path) -> None:
    rows = good_rows(4, 4, 4)
    for values in rows[::2]:
        values["contrast"] = 30
    rows[1]["noise"] = "?"
    pack = write_pack(tmp_path / "pack", rows)
    plain = write_pack(tmp_path / "plain", good_rows(2, 1, 0), ("file", "transcription", "split"))
    notes: list[str] = []
    data = data_of(pack, plain, select={"contrast": ">= 70", "noise": "<=2.5"})
    assert len(load(data, TRAIN, tmp_path, notes)) == 1 + 2, "a pack without the columns is taken as it is"
    assert len(load(data, HELD_OUT, tmp_path)) == 2 + 1
    assert len(load(data, TEST, tmp_path)) == 4
    assert any("(contrast >= 70, noise <=2.5): 5" in note for note in notes)


def test_a_column_that_no_source_has_is_told(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", good_rows())
    with pytest.raises(UsageError) as caught:
        load(data_of(pack, select={"contrats": ">= 70"}), TRAIN, tmp_path)
    assert "no source has a column 'contrats'" in str(caught.value)
    assert "did you mean contrast?" in str(caught.value)


def test_letters_that_nobody_learned_are_told_and_count_as_errors(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", [row(0, "abc"), row(1, "abc€", "val"), row(2, "ab", "test")])
    notes: list[str] = []
    held_out = load(data_of(pack), HELD_OUT, tmp_path, notes)
    assert held_out.texts == ("abc€",)
    assert held_out.alphabet.letters == "abc"
    check_lines(held_out, held_out.alphabet, 16, 96, 12, 24)
    assert held_out.alphabet.encode_padded(held_out.texts, 4).tolist() == [[1, 2, 3, 0]]
    assert any("letters of the held-out lines that have no label" in note and "€" in note for note in notes)


def test_a_charset_file_gives_the_labels(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", [row(0, "b a"), row(1, "zb"), row(2, "zz"), row(3, "a", "val")])
    charset = tmp_path / "charset.txt"
    charset.write_text("b\n \n\na\n")
    with pytest.raises(BadLinesError, match=r"no letter of the charset: 1: pack/lines/002\.png"):
        load(data_of(pack, charset=charset), TRAIN, tmp_path)
    train = load(data_of(pack, charset=charset, on_bad="skip"), TRAIN, tmp_path)
    assert train.alphabet.letters == "b a", "empty lines take no label, a line with a space is the space"
    assert train.texts == ("b a", "zb")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a\nbc\n", "line 2: 'bc' is more than one letter"),
        ("a\nb\na\n", "line 3: 'a' stands in line 1 already"),
        ("\n\n", "it is empty"),
    ],
)
def test_a_bad_charset_is_refused(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "charset.txt"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_charset(path)
    assert match in str(caught.value)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_charset(path)
    with pytest.raises(MissingFileError):
        read_charset(tmp_path / "gone")


def bad_pack(folder: Path) -> Path:
    """A pack with one line of every kind of fault that packs can have."""
    rows = good_rows()
    pack = write_pack(
        folder,
        [
            *rows,
            row(20, "   "),
            row(21, "a text that is too long"),
            row(22, "bbbbbbbbbbbb"),
            row(23, "cut off"),
            row(24, "gone"),
            row(25, "where", "elsewhere"),
            row(26, "sliver"),
            dict(rows[0]),
        ],
    )
    file = pack / "lines" / "023.png"
    file.write_bytes(file.read_bytes()[:60])
    (pack / "lines" / "024.png").unlink()
    write_picture(pack / "lines" / "026.png", height=1)
    with open(pack / "lines.tsv", "a", encoding="utf-8") as index:
        index.write("lines/030.png\ttoo\tfew\n")
    return pack


def test_bad_lines_are_counted_named_and_refused(tmp_path: Path) -> None:
    pack = bad_pack(tmp_path / "pack")
    data = data_of(pack, width=64, text_length=8)
    with pytest.raises(BadLinesError) as caught:
        load(data, TRAIN, tmp_path)
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert "lines that cannot be trained on: 9;" in text
    assert "empty text: 1: pack/lines/020.png" in text
    assert "text too long: 2: pack/lines/021.png (23 letters, at most 8 are taken)" in text
    assert "unreadable picture: 3: pack/lines/023.png" in text
    assert "pack/lines/024.png (No such file or directory)" in text
    assert "pack/lines/026.png (less than 2 pixels" in text
    assert "unknown split 'elsewhere'" in text
    assert "line 20 of lines.tsv (3 columns, 6 expected)" in text
    assert "name used twice: 1: pack/lines/000.png" in text
    report = next((tmp_path / "cache" / "lines").glob("*.json"))
    assert str(report) in text
    assert len(json.loads(report.read_text())["bad_lines"]) == 9


def test_bad_lines_are_skipped_as_asked(tmp_path: Path) -> None:
    notes: list[str] = []
    data = data_of(bad_pack(tmp_path / "pack"), on_bad="skip", width=64, text_length=8)
    assert len(load(data, TRAIN, tmp_path, notes)) == 6
    assert any(note.startswith("bad lines left out: 9\n") and "020.png" in note for note in notes)


def test_doubles_need_a_blank_between_them(tmp_path: Path) -> None:
    """`bbbb` needs 7 time steps: 8 of four columns are enough, 4 of eight columns are not."""
    pack = write_pack(tmp_path / "pack", [row(0, "abab"), row(1, "bbbb", "val"), row(2, "abc")])
    data = data_of(pack, width=32, text_length=4)
    assert len(load(data, TRAIN, tmp_path)) == 2
    with pytest.raises(BadLinesError, match="4 letters and 3 blanks between doubles, 4 time steps"):
        load_lines(data, TRAIN, tmp_path / "cache", no_check, lambda _: None, degraded=False, columns_per_step=8)


def test_sources_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="gone"):
        load(data_of(tmp_path / "gone"), TRAIN, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="known are line pack"):
        load(data_of(tmp_path / "empty"), TRAIN, tmp_path)
    pack = write_pack(tmp_path / "pack", good_rows(), ("file", "page"))
    with pytest.raises(DataError, match="columns missing: transcription"):
        load(data_of(pack), TRAIN, tmp_path)
    only = write_pack(tmp_path / "only", good_rows(3, 0, 0))
    with pytest.raises(DataError, match="no held-out lines"):
        load(data_of(only), TRAIN, tmp_path)
    none = write_pack(tmp_path / "none", [row(0, "")])
    with pytest.raises(BadLinesError, match="no line of the sources can be used"):
        load(data_of(none), TRAIN, tmp_path)


def test_configuration_of_sources(tmp_path: Path, write_config: Callable[[str], Path]) -> None:
    path = write_config(
        'task: recognizer\ndata:\n  sources: [packs/a, packs/b]\n  charset: c.txt\n  select: {contrast: ">= 70"}\n'
    )
    config = load_config(path)
    assert isinstance(config, RecognizerConfig)
    assert config.data.sources == (tmp_path / "packs" / "a", tmp_path / "packs" / "b")
    assert config.data.charset == tmp_path / "c.txt"
    overridden = load_config(path, ["data.sources=[x]", "data.select.noise=< 2"])
    assert overridden.data.sources == (Path("x").absolute(),)
    assert overridden.data.select == {"contrast": ">= 70", "noise": "< 2"}


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ("{path: a, sources: [b]}", "exclude each other"),
        ("{sources: [b, b]}", "named twice"),
        ("{charset: c}", "come from sources"),
        ("{sources: [b], select: {contrast: __import__('os')}}", "is not a condition"),
        ("{sources: [b], select: {contrast: 70}}", "string"),
        ("{sources: [b], on_bad: ignore}", "refuse"),
    ],
)
def test_mistakes_about_sources_are_told(write_config: Callable[[str], Path], keys: str, match: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(f"task: recognizer\ndata: {keys}\n"))
    assert match in str(caught.value)
