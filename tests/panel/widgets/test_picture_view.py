from __future__ import annotations

import builtins
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from htr_tui.panel.widgets import picture_pixels, picture_view
from htr_tui.panel.widgets.picture_pixels import PictureError, load_picture
from htr_tui.panel.widgets.picture_view import PictureView
from tests.panel.widgets.screen_text import shown_lines, shown_text
from tests.panel.widgets.waiting import wait_until

Image = pytest.importorskip("PIL.Image")


class PictureApp(App[None]):
    def __init__(self, view: PictureView) -> None:
        super().__init__()
        self.view = view

    def compose(self) -> ComposeResult:
        yield self.view


def save(path: Path, size: tuple[int, int] = (300, 40), mode: str = "L", colour: Any = 0) -> Path:
    Image.new(mode, size, colour).save(path)
    return path


def png_header(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


async def see(pilot: Pilot[None], view: PictureView, text: str) -> None:
    await wait_until(pilot, lambda: text in shown_text(view))


async def see_height(pilot: Pilot[None], view: PictureView, height: int) -> None:
    await wait_until(pilot, lambda: view.picture is not None and view.picture.source_size[1] == height)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "I;16"])
def test_pictures_of_every_mode_keep_their_shape(tmp_path: Path, mode: str) -> None:
    picture = load_picture(save(tmp_path / "p.png", (300, 40), mode), [], 60)
    pixels = picture.panels[0].pixels
    assert (pixels.width, pixels.height) == (60, 8)
    assert picture.source_size == (300, 40)
    assert len(pixels.data) == 60 * 8 * (1 if pixels.is_grey else 3)


def test_sixteen_bits_keep_their_greys(tmp_path: Path) -> None:
    picture = load_picture(save(tmp_path / "p.png", mode="I;16", colour=32768), [], 60)
    assert abs(picture.panels[0].pixels.at(3, 3)[0] - 127) <= 1


def test_transparent_is_paper(tmp_path: Path) -> None:
    picture = load_picture(save(tmp_path / "p.png", mode="RGBA", colour=(255, 0, 0, 0)), [], 60)
    assert picture.panels[0].pixels.at(0, 0) == (255, 255, 255)


def test_small_panels_are_stacked(tmp_path: Path) -> None:
    names = ["degraded", "restored", "clean"]
    path = save(tmp_path / "p.png", (600, 64))
    stacked = load_picture(path, names, 80)
    assert [panel.captions for panel in stacked.panels] == [((0, name),) for name in names]
    assert {panel.pixels.width for panel in stacked.panels} == {80}
    beside = load_picture(path, names, 240)
    assert beside.panels[0].captions == ((0, "degraded"), (80, "restored"), (160, "clean"))
    assert not load_picture(path, names, 80, is_stacked=False).is_stacked
    assert not load_picture(path, ["one"], 80, is_stacked=True).is_stacked


def test_stacked_rows_are_shown_one_after_the_other_with_all_their_panels(tmp_path: Path) -> None:
    path = save(tmp_path / "p.png", (600, 64))
    stacked = load_picture(path, ["before", "after"], 80, rows=[(0, 32), (32, 32)])
    assert [panel.captions[0][1] for panel in stacked.panels] == ["before", "after", "before", "after"]
    assert all(panel.pixels.height * 300 == pytest.approx(32 * 80, abs=600) for panel in stacked.panels)
    beyond = load_picture(path, ["before", "after"], 80, rows=[(0, 32), (60, 32)])
    assert len(beyond.panels) == 2


def test_extreme_shapes_stay_small(tmp_path: Path) -> None:
    tall = load_picture(save(tmp_path / "tall.png", (2, 200_000)), ["a", "b"], 80).panels[0].pixels
    assert tall.height <= picture_pixels.MAX_ROWS
    wide = load_picture(save(tmp_path / "wide.png", (200_000, 2)), [], 80).panels[0].pixels
    assert (wide.width, wide.height) == (80, 2)
    one = load_picture(save(tmp_path / "one.png", (1, 1)), ["a", "b", "c"], 80).panels[0].pixels
    assert (one.width, one.height) == (2, 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello", "is not a PNG"),
        (b"\x89PNG\r\n\x1a\n", "is not a PNG"),
        (png_header(60_000, 60_000), "60000 x 60000 pixels, more than can be shown"),
        (png_header(0, 7), "has no pixels"),
        (png_header(40, 40), "cannot be read"),
        (png_header(40, 40) + b"\x00\x00\x00\x05IDATabcde\x00\x00\x00\x00", "cannot be read"),
    ],
)
def test_broken_and_huge_files_give_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=words):
        load_picture(path, [], 80)


def test_half_a_picture_gives_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.effect_noise((300, 300), 90).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(PictureError, match="cannot be read"):
        load_picture(path, [], 80)


def test_what_is_no_file_gives_a_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(PictureError, match="is not a file"):
            load_picture(path, [], 80)


def test_without_pillow_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "p.png")
    original = builtins.__import__

    def refuse(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(PictureError, match="pip install"):
        load_picture(path, [], 80)


async def test_a_picture_is_drawn_with_its_words(tmp_path: Path) -> None:
    view = PictureView(ascii=False)
    async with PictureApp(view).run_test(size=(240, 60)) as pilot:
        view.show_picture(save(tmp_path / "p.png", (480, 20)), "epoch [/3]", ["degraded", "restored", "clean"])
        await see(pilot, view, "▀" * 240)
        lines = shown_lines(view)
        assert lines[0] == "epoch [/3]"
        assert [lines[1].index(word) for word in ("degraded", "restored", "clean")] == [0, 80, 160]
        assert sum("▀" in line for line in lines) == 5
        view.focus()
        await pilot.press("z")
        await wait_until(pilot, lambda: view.picture is not None and view.picture.is_stacked)
        assert sum(line in ("degraded", "restored", "clean") for line in shown_lines(view)) == 3
        await pilot.press("z")
        await wait_until(pilot, lambda: view.picture is not None and not view.picture.is_stacked)


async def test_it_fits_a_new_width(tmp_path: Path) -> None:
    view = PictureView(ascii=False)
    async with PictureApp(view).run_test(size=(80, 24)) as pilot:
        view.show_picture(save(tmp_path / "p.png"))
        await see(pilot, view, "▀" * 80)
        await pilot.resize_terminal(50, 20)
        await wait_until(pilot, lambda: view.picture is not None and view.picture.panels[0].pixels.width == 50)


async def test_ascii_and_no_colour_show_the_ink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Image.new("L", (300, 40), 255)
    page.paste(0, (0, 0, 100, 40))
    page.save(tmp_path / "p.png")
    view = PictureView(ascii=True)
    async with PictureApp(view).run_test(size=(30, 12)) as pilot:
        view.show_picture(tmp_path / "p.png", "weiß")
        await see(pilot, view, "@" * 10)
        assert shown_text(view).isascii()
        assert shown_lines(view)[1] == "@" * 10
    monkeypatch.setenv("NO_COLOR", "1")
    view = PictureView(ascii=False)
    async with PictureApp(view).run_test(size=(30, 12)) as pilot:
        view.show_picture(tmp_path / "p.png")
        await see(pilot, view, "█" * 10)
        assert "▀" not in shown_text(view)
        view.show_picture(save(tmp_path / "plain.png", colour=77))
        await wait_until(pilot, lambda: "█" not in shown_text(view))


async def test_every_face_without_a_picture(tmp_path: Path) -> None:
    view = PictureView(ascii=False)
    async with PictureApp(view).run_test(size=(80, 24)) as pilot:
        await see(pilot, view, "No pictures yet.")
        view.show_picture(tmp_path / "missing.png")
        await see(pilot, view, "missing.png is not there.")
        (tmp_path / "[b].png").write_bytes(b"x")
        view.show_picture(tmp_path / "[b].png")
        await see(pilot, view, "[b].png is not a PNG picture.")
        view.show_picture(None)
        await see(pilot, view, "No pictures yet.")


async def test_the_same_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def spy(path: Path, *args: Any) -> Any:
        loaded.append(path.name)
        return load_picture(path, *args)

    monkeypatch.setattr(picture_view, "load_picture", spy)
    monkeypatch.setattr(picture_view, "RECHECK_S", 0.0)
    one, two = save(tmp_path / "1.png", colour=10), save(tmp_path / "2.png", (300, 80), colour=200)
    view = PictureView(ascii=False)
    async with PictureApp(view).run_test(size=(80, 24)) as pilot:
        for path, height in ((one, 40), (two, 80), (one, 40), (two, 80)):
            view.show_picture(path)
            await see_height(pilot, view, height)
        assert loaded == ["1.png", "2.png"]
        save(one, (300, 60))
        view.show_picture(one)
        await see_height(pilot, view, 60)
        assert loaded == ["1.png", "2.png", "1.png"]
