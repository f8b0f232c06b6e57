"""`htr-gan data`: what it writes, and the pictures to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from htr_gan.__main__ import main
from htr_gan.config.load import load_config
from htr_gan.data.augment import AMOUNTS, augment_line
from htr_gan.data.cache import HELD_OUT, TRAIN
from htr_gan.data.lines import read_lines
from htr_gan.data.pairs import live_pictures
from tests.htr_gan.source_makers import good_rows, write_pack

SIZE = "lines: 6, held_out: 3, height: 32, width: 128, text_length: 8, fonts: [kalam], workers: 0"
Write = Callable[[str], Path]


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_pictures_of_every_pass_are_what_training_sees(write_config: Write, tmp_path: Path) -> None:
    path = write_config(f"task: gan\ndata: {{{SIZE}, recipe: historic, degrade: every_pass}}\n")
    out = tmp_path / "out"
    assert main(["data", str(path), "--out", str(out), "--png", "2"]) == 0
    lines = read_lines(out / TRAIN, with_degraded=True)
    assert lines.degraded is not None
    live = live_pictures(lines.clean, load_config(path).data)["degraded"]
    for index in range(2):
        for number in range(3):
            shown = picture(out / TRAIN / "png" / f"{index:05d}-degraded-pass-{number + 1}.png")
            assert np.array_equal(shown, live.visit(index, number))
    assert picture(out / TRAIN / "sheet.png").shape == (2 * (5 * 32 + 4), 128)
    assert sorted(file.name for file in (out / HELD_OUT / "png").glob("00000*")) == [
        "00000-clean.png",
        "00000-degraded.png",
        "00000.txt",
    ]


def test_pictures_of_augmented_lines_are_what_training_sees(write_config: Write, tmp_path: Path) -> None:
    path = write_config(f"task: recognizer\nseed: 4\ndata: {{{SIZE}, augment: light}}\n")
    assert main(["data", str(path), "--out", str(tmp_path / "out"), "--png", "1"]) == 0
    clean = read_lines(tmp_path / "out" / TRAIN, with_degraded=False).clean
    shown = picture(tmp_path / "out" / TRAIN / "png" / "00000-clean-pass-2.png")
    assert np.array_equal(shown, augment_line(clean[0], AMOUNTS["light"], 4, 1, 0))


@pytest.mark.parametrize("task", ["gan", "recognizer"])
def test_imported_lines_are_written_as_the_task_sees_them(task: str, write_config: Write, tmp_path: Path) -> None:
    write_pack(tmp_path / "pack", good_rows())
    size = "height: 32, width: 256, text_length: 20"
    path = write_config(f"task: {task}\ndata: {{sources: [pack], on_bad: skip, {size}}}\n")
    assert main(["data", str(path), "--out", str(tmp_path / "out"), "--png", "1"]) == 0
    lines = read_lines(tmp_path / "out" / TRAIN, with_degraded=True)
    assert lines.imported
    assert lines.names
    assert (lines.degraded is not None) == (task == "gan")
    again = write_config(f"task: {task}\ndata: {{path: out, {size}}}\n")
    assert main(["data", str(again), "--out", str(tmp_path / "again")]) == 0
    copied = read_lines(tmp_path / "again" / TRAIN, with_degraded=True)
    assert np.array_equal(copied.clean, lines.clean)
    assert copied.texts == lines.texts
    assert copied.alphabet == lines.alphabet


def test_a_folder_is_not_written_onto_itself(
    write_config: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", str(write_config(f"task: gan\ndata: {{{SIZE}}}\n")), "--out", str(tmp_path / "lines")]) == 0
    before = (tmp_path / "lines" / TRAIN / "clean.npy").read_bytes()
    path = write_config(f"task: gan\ndata: {{path: lines, {SIZE}}}\n")
    assert main(["data", str(path), "--out", str(tmp_path / "lines")]) == 2
    assert "data.path itself" in capsys.readouterr().err
    assert (tmp_path / "lines" / TRAIN / "clean.npy").read_bytes() == before
