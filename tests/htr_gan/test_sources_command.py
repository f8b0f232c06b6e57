"""`htr-gan import`, and training on what it writes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from htr_gan.__main__ import main
from htr_gan.config.data_section import DataConfig
from htr_gan.data.cache import lines_identity
from htr_gan.data.lines import read_lines
from tests.htr_gan.source_makers import good_rows, row, write_pack, write_picture
from tests.htr_gan.test_startup import in_fresh_interpreter


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "pack", good_rows())


def test_import_writes_what_data_path_reads(pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "lines"
    assert main(["import", str(pack), "--out", str(out), "--height", "16", "--width", "96"]) == 0
    assert "lines: 6 train, 2 held-out, 2 test; letters: 10" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["held-out", "import.json", "test", "train"]
    report = json.loads((out / "import.json").read_text())
    assert report["lines"] == {"train": 6, "held-out": 2, "test": 2}
    assert report["bad_lines"] == []
    test = read_lines(out / "test", with_degraded=True)
    assert len(test) == 2
    assert test.alphabet.letters == report["alphabet"]


def test_the_size_is_64_x_1024_unless_told(pack: Path, tmp_path: Path) -> None:
    assert main(["import", str(pack), "--out", str(tmp_path / "out")]) == 0
    assert read_lines(tmp_path / "out" / "train", with_degraded=False).clean.shape == (6, 64, 1024)
    assert main(["import", str(tmp_path / "out"), "--out", str(tmp_path / "again")]) == 0, "a folder of ours again"


def test_check_writes_nothing(pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert main(["import", str(pack), "--check", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["lines"]["train"] == 6
    assert "reading" in output.err
    assert sorted(tmp_path.rglob("*")) == before
    write_pack(tmp_path / "bad", [*good_rows(), row(30, "")])
    assert main(["import", str(tmp_path / "bad"), "--check"]) == 2
    assert "empty text: 1: bad/lines/030.png" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "bad"), "--check", "--on-bad", "skip"]) == 0


def test_refused_lines_leave_a_report_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack, out = write_pack(tmp_path / "pack", [*good_rows(), *(row(30 + n, "") for n in range(8))]), tmp_path / "out"
    assert main(["import", str(pack), "--out", str(out)]) == 2
    text = capsys.readouterr().err
    assert "lines that cannot be trained on: 8; nothing was imported" in text
    assert "030.png" in text
    assert "and 3 more" in text
    assert str(out / "import.json") in text
    assert [path.name for path in out.iterdir()] == ["import.json"]
    assert len(json.loads((out / "import.json").read_text())["bad_lines"]) == 8
    assert main(["import", str(pack), "--out", str(out), "--on-bad", "skip"]) == 0, "the report is in nobody's way"
    assert (out / "train" / "clean.npy").is_file()


def test_nothing_is_ever_replaced(pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    assert main(["import", str(pack), "--out", str(out)]) == 2
    assert "nothing is ever replaced" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_select_on_the_command_line(pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(pack), "--check", "--select", "contrast=>= 101", "--on-bad", "skip"]) == 1
    assert "no train lines" in capsys.readouterr().err
    assert main(["import", str(pack), "--check", "--select", "contrast=>= 100"]) == 0
    assert "left out by select (contrast >= 100): 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--check", "--out", "x"],
        ["--check", "--height", "20"],
        ["--check", "--width", "8000"],
        ["--check", "--select", "contrast"],
        ["--check", "--select", "=>= 3"],
        ["--check", "--columns-per-step", "0"],
    ],
)
def test_bad_use_of_import_ends_with_2(pack: Path, options: list[str]) -> None:
    assert main(["import", str(pack), *options]) == 2
    assert main(["import", str(pack), str(pack), "--check"]) == 2


def test_import_without_records_does_not_load_tensorflow(pack: Path, tmp_path: Path) -> None:
    assert in_fresh_interpreter("import", "--help") == "loaded False status 0"
    out = str(tmp_path / "out")
    assert in_fresh_interpreter("import", str(pack), "--out", out) == "loaded False status 0"


def recogniser_config(path: Path, data: str) -> Path:
    path.write_text(
        f"task: recognizer\ndata: {{{data}, height: 16, width: 96, text_length: 12}}\n"
        "model: {width: 2, lstm: 4}\ntrain: {epochs: 1, steps: 2, batch: 4}\n"
    )
    return path


@pytest.mark.smoke
def test_a_recogniser_trains_on_imported_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several packs at once, with letters in held-out lines that nobody has learned; from sources and from a folder."""
    rows = good_rows()
    rows[6]["transcription"] = "ünknown"
    one, two = write_pack(tmp_path / "one", rows), write_pack(tmp_path / "two", good_rows())
    config = recogniser_config(tmp_path / "sources.yaml", f"sources: [{one}, {two}]")
    assert main(["train", str(config), "--out", str(tmp_path / "run")]) == 0
    output = capsys.readouterr().out
    assert "lines: 12 train, 4 held-out, 4 test" in output
    assert "have no label and count as errors" in output
    stored = json.loads((tmp_path / "run" / "recognizer" / "recognizer.json").read_text())
    assert stored["alphabet"] == " abcdefiln"
    folder = tmp_path / "imported"
    assert main(["import", str(one), str(two), "--out", str(folder), "--height", "16", "--width", "96"]) == 0
    config = recogniser_config(tmp_path / "folder.yaml", f"path: {folder}")
    assert main(["train", str(config), "--out", str(tmp_path / "second")]) == 0
    again = json.loads((tmp_path / "second" / "recognizer" / "recognizer.json").read_text())
    assert again["sha256"] == stored["sha256"], "the same lines, the same bytes"


def test_a_folder_that_is_filled_anew_is_not_taken_for_the_old_one(pack: Path, tmp_path: Path) -> None:
    """Recognisers are shared under this name."""
    data, identities = DataConfig(path=tmp_path / "lines"), []
    for _ in range(2):
        assert main(["import", str(pack), "--out", str(tmp_path / "lines")]) == 0
        identities.append(lines_identity(data))
        assert lines_identity(data) == identities[-1]
        shutil.rmtree(tmp_path / "lines")
        pack = write_pack(tmp_path / "other" / "pack", good_rows(5))
    assert identities[0] != identities[1]


def test_bad_lines_end_a_training_before_it_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = write_pack(tmp_path / "pack", [*good_rows(), row(30, "")])
    config = recogniser_config(tmp_path / "sources.yaml", f"sources: [{pack}]")
    assert main(["train", str(config), "--out", str(tmp_path / "run")]) == 2
    assert "empty text: 1: pack/lines/030.png" in capsys.readouterr().err


SHARED = os.environ.get("HTR_SHARED_DATA")


@pytest.mark.skipif(not SHARED, reason="HTR_SHARED_DATA names no folder with line packs")
def test_the_shared_packs_are_imported_whole(tmp_path: Path) -> None:
    packs = sorted(path.parent for path in Path(SHARED or "").glob("lines_*/lines.tsv"))
    assert packs
    out = tmp_path / "out"
    assert main(["import", *map(str, packs), "--out", str(out), "--height", "32", "--width", "512"]) == 0
    report = json.loads((out / "import.json").read_text())
    rows = sum(len((pack / "lines.tsv").read_text("utf-8").splitlines()) - 1 for pack in packs)
    assert sum(report["lines"].values()) == rows
    assert report["bad_lines"] == []
    train = read_lines(out / "train", with_degraded=False)
    assert set("".join(train.texts)) == set(train.alphabet.letters)
    for picture in train.clean[::200]:
        assert picture.min() < np.median(picture) - 15, "ink on paper"


def test_a_line_pack_is_also_named_by_its_index(pack: Path, tmp_path: Path) -> None:
    assert main(["import", str(pack / "lines.tsv"), "--check"]) == 0
    write_picture(tmp_path / "alone.png")
    assert main(["import", str(tmp_path / "alone.png"), "--check"]) == 2
