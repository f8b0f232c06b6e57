from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from htr_tui.panel.widgets.meter import GB, DeviceStrip, StripGpu, StripHost, strip_pieces
from tests.panel.widgets.screen_text import shown_text

GPU = StripGpu(0, 11.2 * GB, 16 * GB, 87.0, 61.0, 210.0)
HOST = StripHost(34.0, 12 * GB, 31.3 * GB, 2.1)


def text_of(gpus: list[StripGpu], host: StripHost | None, width: int, reason: str = "", ascii: bool = False) -> str:
    return "".join(text for text, _ in strip_pieces(gpus, host, reason, width, ascii))


def test_everything_where_there_is_room() -> None:
    expected = "gpu0 ██████░░ 11.2/16 GB 87% 61°C 210 W   cpu █░░░ 34%  mem 12.0/31.3 GB  load 2.1"
    assert text_of([GPU], HOST, 200) == expected
    assert text_of([GPU], HOST, 200, ascii=True).isascii()


def test_details_go_before_facts() -> None:
    narrow = text_of([GPU], HOST, 60)
    assert "11.2/16 GB 87%" in narrow
    assert "cpu" in narrow
    assert "210 W" not in narrow
    assert "11.2/16 GB" in text_of([GPU], HOST, 20)
    many = text_of([GPU, GPU, GPU, GPU], HOST, 60)
    assert "+2 gpus" in many


def test_without_a_card_it_says_why() -> None:
    assert text_of([], HOST, 100, "no NVIDIA driver [/x]").startswith("no GPU (no NVIDIA driver [/x])   cpu")
    assert text_of([], None, 10) == "no GPU"


def test_what_warns_is_marked_without_colour() -> None:
    full = StripGpu(1, 15.9 * GB, 16 * GB, 100.0, 91.0)
    text = text_of([full], None, 100)
    assert "15.9/16 GB!" in text
    assert "91°C!" in text
    assert [role for text, role in strip_pieces([full], None, "", 100, False) if "GB" in text] == ["bad"]
    assert "91°C!" in text_of([full], HOST, 45)


def test_silent_sensors_are_no_error() -> None:
    assert text_of([StripGpu(0)], StripHost(), 100) == "gpu0 ╌╌╌╌╌╌╌╌ —   cpu ╌╌╌╌ —%  mem —"


NUMBERS = st.none() | st.floats()


@given(
    st.lists(st.builds(StripGpu, st.integers(0, 15), NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=9),
    st.none() | st.builds(StripHost, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    st.text(max_size=50),
    st.integers(0, 200),
    st.booleans(),
)
def test_it_always_fits(gpus: list[StripGpu], host: StripHost | None, reason: str, width: int, ascii: bool) -> None:
    text = text_of(gpus, host, width, reason, ascii)
    assert cell_len(text) <= width
    assert text.isascii() or not ascii


class StripApp(App[None]):
    def compose(self) -> ComposeResult:
        yield DeviceStrip(ascii=False)


async def test_the_strip_shows_samples_and_repaints_only_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with StripApp().run_test(size=(100, 5)) as pilot:
        strip = pilot.app.query_one(DeviceStrip)
        assert shown_text(strip) == "no GPU (not looked yet)"
        strip.set_devices([GPU], HOST)
        await pilot.pause()
        assert "gpu0 ██████░░ 11.2/16 GB 87% 61°C" in shown_text(strip)
        refreshed: list[object] = []
        monkeypatch.setattr(DeviceStrip, "refresh", lambda self, **options: refreshed.append(options))
        strip.set_devices([GPU], HOST)
        assert refreshed == []
        strip.set_devices([], HOST, "no driver")
        assert len(refreshed) == 1
