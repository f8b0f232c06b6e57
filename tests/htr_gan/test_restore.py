"""`htr-gan restore`: any size, no seams, the file's own kind, and nothing of the user's overwritten."""

from __future__ import annotations

import itertools
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from htr_gan.__main__ import main
from htr_gan.config.schema import GanConfig
from htr_gan.errors import DataError
from htr_gan.inference.loading import GENERATOR, assign_weights, compiled, load_restorer, part_of
from htr_gan.inference.networks import generator_of
from htr_gan.inference.pictures import load_picture
from htr_gan.inference.trained import find_trained
from htr_gan.inference.windows import cut_windows, join_windows, overlap_of, pad_right, window_starts, window_weights
from htr_gan.training.checkpoint_folder import load_arrays
from tests.htr_gan.trained_runs import Runs, trained_runs

__all__ = ["trained_runs"]


@given(st.integers(1, 3000), st.sampled_from([32, 64, 256, 1024]))
@settings(max_examples=80, deadline=None)
def test_windows_cover_every_column_and_share_it_fully(width: int, window: int) -> None:
    starts = window_starts(width, window)
    assert starts == sorted(set(starts))
    assert all(start % 16 == 0 for start in starts)
    weight = np.zeros(starts[-1] + window)
    for start, share in zip(starts, window_weights(starts, window), strict=True):
        weight[start : start + window] += share
    assert len(weight) >= width
    assert weight.min() > 0
    assert all(first + window - second >= overlap_of(window) for first, second in itertools.pairwise(starts))


@given(st.integers(1, 700), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_a_line_cut_and_joined_is_itself(width: int, seed: int) -> None:
    line = np.random.default_rng(seed).random((16, width), np.float32)
    np.testing.assert_allclose(join_windows(cut_windows(line, 64), width), line, atol=1e-6)


def test_differences_between_windows_fade_and_never_jump() -> None:
    """Windows that disagree by 1 everywhere: the joined line changes from column to column by a fraction."""
    starts = window_starts(640, 128)
    windows = np.stack([np.full((4, 128), number % 2, np.float32) for number in range(len(starts))])
    steps = np.abs(np.diff(join_windows(windows, 640)[0]))
    assert steps.max() <= np.pi / overlap_of(128) + 1e-6
    with pytest.raises(ValueError):
        join_windows(windows[1:], 640)


def test_windows_restore_what_the_whole_width_would(runs: Runs) -> None:
    """Real weights, with a first layer that is far from quiet; a network as wide as the line is the truth."""
    trained = find_trained(runs.gan)
    config, checkpoint = trained.config, trained.checkpoint
    assert isinstance(config, GanConfig)
    assert checkpoint is not None
    rng = np.random.default_rng(5)
    arrays = part_of(load_arrays(checkpoint), GENERATOR)
    arrays = {
        name: rng.normal(0, 0.4, a.shape).astype(a.dtype) if name.endswith("kernel") else a
        for name, a in arrays.items()
    }
    line = cv2.GaussianBlur(rng.random((16, 512), np.float32), (0, 0), 1.5)
    wide = generator_of(config, 512)
    assign_weights(wide, arrays, "test")
    whole = compiled(wide)(line[None, ..., None])[0, ..., 0]
    narrow = generator_of(config, 128)
    assign_weights(narrow, arrays, "test")
    in_windows = join_windows(compiled(narrow)(cut_windows(line, 128)[..., None])[..., 0], 512)
    spread = float(whole.std())
    assert spread > 0.01, "the network does something"
    difference = np.abs(in_windows - whole)
    assert difference.max() < 0.5 * spread
    assert difference.mean() < 0.02 * spread
    columns = np.abs(np.diff(in_windows, axis=1)).mean(axis=0)
    borders = [start - 1 for start in window_starts(512, 128)[1:]] + [
        start + 127 for start in window_starts(512, 128)[:-1]
    ]
    assert columns[borders].max() < columns.max() + 1e-6
    assert np.mean(columns[borders]) < 1.5 * np.mean(columns), "no step at the windows' borders"


def test_lines_of_all_sizes_keep_them(runs: Runs) -> None:
    restorer = load_restorer(find_trained(runs.gan))
    rng = np.random.default_rng(1)
    lines = [rng.random(shape, np.float32) for shape in ((16, 64), (40, 31), (7, 900), (64, 64), (1, 1), (90, 5))]
    together = restorer.restore_lines(lines, batch=3)
    assert [line.shape for line in together] == [line.shape for line in lines]
    for line, restored in zip(lines, together, strict=True):
        assert restored.min() >= 0
        assert restored.max() <= 1
        np.testing.assert_allclose(restorer.restore_lines([line])[0], restored, atol=1e-5)


def test_short_lines_are_lengthened_with_their_paper() -> None:
    line = np.full((16, 20), 0.7, np.float32)
    line[4:12, 5:8] = 0.1
    assert np.unique(pad_right(line, 64)[:, 20:]).tolist() == [np.float32(0.7)]


def ramp(height: int = 24, width: int = 90) -> NDArray[np.float64]:
    return np.tile(np.linspace(0.1, 1.0, width), (height, 1))


def files_of_all_kinds(folder: Path) -> dict[str, tuple[str, str]]:
    """Writes one file of each kind; name to (format, mode) as Pillow tells them."""
    folder.mkdir()
    grey = (ramp() * 255).astype(np.uint8)
    deep = (ramp() * 65535).astype(np.uint16)
    colour = np.stack([grey, grey // 2, 255 - grey], axis=2)
    alpha = np.full_like(grey, 255)
    alpha[:, :10] = 0
    Image.fromarray(grey).save(folder / "grey.png", dpi=(300, 300))
    Image.fromarray(grey).save(folder / "grey.jpg")
    Image.fromarray(grey).save(folder / "grey.bmp")
    Image.fromarray(grey).save(folder / "grey.pgm")
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(deep).save(folder / "deep.tif", compression="tiff_lzw")
    Image.fromarray(colour).save(folder / "colour.png")
    Image.fromarray(colour).save(folder / "colour.webp", lossless=True)
    Image.fromarray(grey > 128).save(folder / "bits.png")
    Image.fromarray(grey > 128).save(folder / "bits.tif", compression="group4")
    Image.fromarray(np.dstack([grey, alpha])).save(folder / "grey-alpha.png")
    Image.fromarray(np.dstack([colour, alpha])).save(folder / "colour-alpha.png")
    Image.fromarray(colour).quantize(16).save(folder / "palette.png")
    (folder / "deep-colour.png").write_bytes(cv2.imencode(".png", np.stack([deep] * 3, axis=2))[1].tobytes())
    return {
        "grey.png": ("PNG", "L"),
        "grey.jpg": ("JPEG", "L"),
        "grey.bmp": ("BMP", "L"),
        "grey.pgm": ("PPM", "L"),
        "deep.png": ("PNG", "I;16"),
        "deep.tif": ("TIFF", "I;16"),
        "colour.png": ("PNG", "RGB"),
        "colour.webp": ("WEBP", "RGB"),
        "bits.png": ("PNG", "1"),
        "bits.tif": ("TIFF", "1"),
        "grey-alpha.png": ("PNG", "LA"),
        "colour-alpha.png": ("PNG", "RGBA"),
        "palette.png": ("PNG", "RGB"),
        "deep-colour.png": ("PNG", "RGB"),
    }


def test_each_kind_of_file_stays_what_it_is(runs: Runs, tmp_path: Path) -> None:
    kinds = files_of_all_kinds(tmp_path / "in")
    before = {name: (tmp_path / "in" / name).read_bytes() for name in kinds}
    assert main(["restore", str(runs.gan), str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    for name, kind in kinds.items():
        with Image.open(tmp_path / "out" / name) as image:
            assert (image.format, image.mode) == kind, name
            assert image.size == (90, 24), name
            if name == "grey.png":
                assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            if name == "bits.tif":
                assert image.info["compression"] == "group4"
            if name.endswith("alpha.png"):
                alpha = np.asarray(image)[..., -1]
                assert (alpha[:, :10] == 0).all()
                assert (alpha[:, 10:] == 255).all()
        assert (tmp_path / "in" / name).read_bytes() == before[name], "originals stay"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(kinds)
    deep = cv2.imread(str(tmp_path / "out" / "deep-colour.png"), cv2.IMREAD_UNCHANGED)
    assert deep is not None
    assert deep.dtype == np.uint16
    assert deep.shape == (24, 90, 3)
    with Image.open(tmp_path / "out" / "deep.png") as image:
        assert (np.asarray(image) % 257 != 0).any(), "16 bits are used, not 8 of them"


@pytest.mark.parametrize("kind", sorted(["colour.png", "deep-colour.png", "colour-alpha.png", "palette.png"]))
def test_colours_are_kept_or_made_grey(tmp_path: Path, kind: str) -> None:
    files_of_all_kinds(tmp_path / "in")
    picture = load_picture(tmp_path / "in" / kind)
    wanted = np.full((24, 90), 0.5, np.float32)
    (tmp_path / "kept.png").write_bytes(picture.encode(wanted, keep_colour=True))
    (tmp_path / "grey.png").write_bytes(picture.encode(wanted, keep_colour=False))
    kept, grey = load_picture(tmp_path / "kept.png"), load_picture(tmp_path / "grey.png")
    assert np.ptp(grey.pixels.astype(int), axis=2).max() == 0
    opaque = np.s_[:, 10:]
    np.testing.assert_allclose(grey.grey()[opaque], 0.5, atol=0.01)
    if kind != "deep-colour.png":
        assert np.ptp(kept.pixels.astype(int), axis=2).max() > 20
        unclipped = np.asarray(((kept.pixels > 0) & (kept.pixels < kept.white)).all(axis=2))[opaque]
        np.testing.assert_allclose(kept.grey()[opaque][unclipped], 0.5, atol=0.02)


def test_a_picture_shown_as_it_is_is_itself(tmp_path: Path) -> None:
    for name in files_of_all_kinds(tmp_path / "in"):
        picture = load_picture(tmp_path / "in" / name)
        data = picture.encode(picture.grey(), keep_colour=True)
        (tmp_path / name).write_bytes(data)
        again = load_picture(tmp_path / name)
        tolerance = 0.02 if name.endswith("jpg") else 0.005
        np.testing.assert_allclose(again.grey(), picture.grey(), atol=tolerance, err_msg=name)


def test_turned_photographs_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((20, 50), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    picture = load_picture(tmp_path / "turned.jpg")
    assert picture.pixels.shape == (50, 20)
    with Image.open(BytesIO(picture.encode(np.ones((50, 20), np.float32), keep_colour=True))) as image:
        assert image.size == (20, 50)
        assert image.getexif().get(0x0112) is None


def test_bad_files_are_named_and_the_others_restored(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    (source / "deeper").mkdir(parents=True)
    good = Image.fromarray(np.full((20, 60), 200, np.uint8))
    good.save(source / "a.png")
    good.save(source / "deeper" / "b.PNG")
    (source / "notes.txt").write_text("no picture")
    (source / "empty.png").write_bytes(b"")
    whole = (source / "a.png").read_bytes()
    (source / "half.png").write_bytes(whole[: len(whole) // 2])
    (source / "text.jpg").write_text("no picture either")
    good.save(source / "two.tif", save_all=True, append_images=[good])
    Image.fromarray(np.zeros((1, 400), np.uint8)).save(source / "thread.png")
    assert main(["restore", str(runs.gan), str(source), str(tmp_path / "out"), "--recursive", "--batch", "2"]) == 1
    told = capsys.readouterr()
    assert "2 of 7 pictures restored" in told.out
    assert "1 files that are no pictures" in told.out
    for name in ("empty.png", "half.png", "text.jpg", "two.tif", "thread.png"):
        assert name in told.err
    written = sorted(
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    assert written == ["a.png", "deeper/b.PNG"]


def test_existing_files_and_originals_are_safe(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((20, 60), 200, np.uint8)).save(source / name)
    (out / "b.png").write_text("mine")
    command = ["restore", str(runs.gan), str(source)]
    assert main([*command, str(out)]) == 2
    assert not (out / "a.png").exists(), "nothing was written"
    assert main([*command, str(out), "--skip-existing"]) == 0
    assert (out / "b.png").read_text() == "mine"
    assert (out / "a.png").is_file()
    assert main([*command, str(out), "--force"]) == 0
    assert load_picture(out / "b.png").pixels.shape == (20, 60)
    capsys.readouterr()
    (tmp_path / "link").symlink_to(source)
    for same in (source, tmp_path / "link"):
        assert main([*command, str(same), "--force"]) == 2
        assert "IN and OUT are the same" in capsys.readouterr().err
    one = ["restore", str(runs.gan), str(source / "a.png")]
    for same in (source / "a.png", source):
        assert main([*one, str(same), "--force"]) == 2
        assert "IN and OUT are the same" in capsys.readouterr().err


def test_results_inside_the_source_are_not_restored_again(runs: Runs, tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 60), 200, np.uint8)).save(tmp_path / "a.png")
    command = ["restore", str(runs.gan), str(tmp_path), str(tmp_path / "out"), "--recursive", "--force"]
    for _ in range(2):
        assert main(command) == 0
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["a.png"]


def test_wrong_use_is_told(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((20, 60), 200, np.uint8)).save(tmp_path / "a.png")
    picture, out = str(tmp_path / "a.png"), str(tmp_path / "out.png")
    assert main(["restore", str(runs.recogniser), picture, out]) == 2
    assert "task gan" in capsys.readouterr().err
    assert main(["restore", str(runs.gan), picture, out, "--batch", "0"]) == 2
    assert main(["restore", str(runs.gan), str(tmp_path / "gone"), out]) == 1
    assert main(["restore", str(runs.gan), str(runs.gan / "checkpoints"), out]) == 2
    assert "no pictures in it" in capsys.readouterr().err
    with pytest.raises(DataError):
        load_picture(tmp_path)
