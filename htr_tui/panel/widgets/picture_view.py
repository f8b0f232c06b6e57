"""A picture as half-block characters, two pixels a cell; decoded in a thread, kept while the file stays the same."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.worker import Worker, WorkerState, get_current_worker

from htr_tui.panel.format import is_ascii_terminal, to_ascii
from htr_tui.panel.widgets.picture_pixels import Panel, Picture, PictureError, Pixels, load_picture
from htr_tui.panel.widgets.table_rows import fit
from htr_tui.text import clean_text

ASCII_RAMP: Final = " .:-=+*#%@"
BLOCK_RAMP: Final = " ░▒▓█"
GREY_STEP: Final = 4
"""Greys are drawn in steps of so many, which the eye does not see: fewer colour changes to send."""

CACHED_PICTURES: Final = 12
RECHECK_S: Final = 2.0
"""Seconds after which the same picture, shown again, is looked at on disk again."""


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """What is to be shown, and how wide."""

    path: Path
    panels: tuple[str, ...]
    width: int
    is_stacked: bool | None
    rows: tuple[tuple[int, int], ...] = ()


FileKey = tuple[PictureRequest, int, int]
"""A request with time of change and size of the file."""


class PictureView(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows a PNG scaled to the width; `z` puts its panels below each other or side by side."""

    ALLOW_SELECT = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {"picture-view--caption", "picture-view--panel", "picture-view--note"}

    DEFAULT_CSS = """
    PictureView {
        height: 1fr;
        background: $surface;
        color: $foreground;
        overflow-x: hidden;
        & > .picture-view--caption { color: $foreground; text-style: bold; }
        & > .picture-view--panel { color: $text-accent; }
        & > .picture-view--note { color: $text-muted; text-style: italic; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("pagedown", "page_down", "Page down", show=False),
        Binding("z", "toggle_stacked", "Panels side by side or stacked", show=False),
    ]

    class PictureDecoded(Message):
        """A picture is ready, or there is a sentence why not."""

        def __init__(self, request: PictureRequest, key: FileKey | None, result: Picture | str) -> None:
            super().__init__()
            self.request = request
            self.key = key
            self.result = result

    def __init__(
        self,
        *,
        ascii: bool | None = None,
        empty_text: str = "No pictures yet.",
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._is_ascii = is_ascii_terminal() if ascii is None else ascii
        self._empty_text = empty_text
        self._path: Path | None = None
        self._caption = ""
        self._panels: tuple[str, ...] = ()
        self._rows: tuple[tuple[int, int], ...] = ()
        self._is_stacked: bool | None = None
        self._requested: PictureRequest | None = None
        self._requested_at = 0.0
        self._picture: Picture | None = None
        self._note = empty_text
        self._kept: OrderedDict[FileKey, Picture] = OrderedDict()

    # --- what the screen calls -------------------------------------------------------------------------------------

    @property
    def picture(self) -> Picture | None:
        """What is drawn now."""
        return self._picture

    def show_picture(
        self,
        path: Path | None,
        caption: str = "",
        panels: Sequence[str] = (),
        rows: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Show a file with a line above it and the names of its panels; None shows that there is none.

        `rows` are (top, height) in pixels of what stands below each other in every panel: stacked, they are shown
        one after the other, each with all its panels.
        """
        if caption != self._caption:
            self._caption = clean_text(caption, 200)
            self.refresh()
        if path is None:
            self._path = self._requested = None
            self._show(None, self._empty_text)
            return
        self._path = path
        self._panels = tuple(clean_text(panel, 60) for panel in panels)
        self._rows = tuple(rows)
        self._request()

    def action_toggle_stacked(self) -> None:
        """Panels below each other, each in the full width, or side by side."""
        if self._picture is not None:
            self._is_stacked = not self._picture.is_stacked
            self._request()

    # --- decoding --------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Scale to the new width."""
        self._request()

    def _request(self) -> None:
        """Start to decode in a thread, unless the same was asked for just now."""
        if self._path is None or not self.is_attached or self.size.width < 1:
            return
        request = PictureRequest(self._path, self._panels, self.size.width, self._is_stacked, self._rows)
        now = time.monotonic()
        if request == self._requested and now - self._requested_at < RECHECK_S:
            return
        self._requested, self._requested_at = request, now
        kept = dict(self._kept)
        self.run_worker(
            lambda: self._decode(request, kept),
            name="decode picture",
            group="picture",
            exclusive=True,
            exit_on_error=False,
            thread=True,
        )

    def _decode(self, request: PictureRequest, kept: dict[FileKey, Picture]) -> None:
        """In a thread: take the picture from those kept if its file is the same, else decode it."""
        worker = get_current_worker()
        key: FileKey | None = None
        result: Picture | str
        try:
            status = request.path.stat()
            key = (request, status.st_mtime_ns, status.st_size)
            result = kept.get(key) or load_picture(
                request.path, request.panels, request.width, request.is_stacked, request.rows
            )
        except PictureError as error:
            result = str(error)
        except FileNotFoundError:
            result = f"{request.path.name} is not there."
        except OSError as error:
            result = f"{request.path.name} cannot be read: {error.strerror or error}."
        if not worker.is_cancelled:
            self.post_message(self.PictureDecoded(request, key, result))

    @on(PictureDecoded)
    def take_picture(self, message: PictureDecoded) -> None:
        """Show what the thread made, if it is still wanted."""
        message.stop()
        if message.request != self._requested:
            return
        if isinstance(message.result, str):
            self._show(None, message.result)
            return
        if message.key is not None:
            self._kept[message.key] = message.result
            self._kept.move_to_end(message.key)
            while len(self._kept) > CACHED_PICTURES:
                self._kept.popitem(last=False)
        self._show(message.result, "")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Say what went wrong in a thread."""
        if event.state is WorkerState.ERROR and event.worker.node is self:
            self._show(None, f"The picture cannot be shown: {event.worker.error}.")

    def _show(self, picture: Picture | None, note: str) -> None:
        note = clean_text(note, 300)
        if picture == self._picture and note == self._note:
            return
        self._picture, self._note = picture, note
        lines = 1 + sum(_line_count(panel) for panel in picture.panels) if picture is not None else 0
        self.virtual_size = Size(self.size.width, lines)
        self.refresh()

    # --- drawing ---------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One line of the screen: caption, names of panels, or two rows of pixels."""
        width, base = self.size.width, self.rich_style
        y += self.scroll_offset.y
        segments: list[Segment] = []
        if self._picture is None:
            if y == 1:
                segments = [self._words("  " + self._note, width, "note")]
        elif y == 0:
            segments = [self._words(self._caption, width, "caption")]
        else:
            segments = self._picture_line(self._picture, y - 1)
        return Strip(segments).adjust_cell_length(width, base)

    def _picture_line(self, picture: Picture, y: int) -> list[Segment]:
        for panel in picture.panels:
            count = _line_count(panel)
            if y < count:
                if panel.captions and y == 0:
                    return self._caption_line(panel)
                return self._pixel_line(panel.pixels, 2 * (y - (1 if panel.captions else 0)))
            y -= count
        return []

    def _caption_line(self, panel: Panel) -> list[Segment]:
        segments: list[Segment] = []
        at = 0
        for i, (left, caption) in enumerate(panel.captions):
            end = panel.captions[i + 1][0] if i + 1 < len(panel.captions) else self.size.width
            segments.append(Segment(" " * max(0, left - at), self.rich_style))
            segments.append(self._words(caption, max(0, end - max(left, at) - 1), "panel"))
            at = max(left, at) + cell_len(segments[-1].text)
        return segments

    def _words(self, text: str, width: int, part: str) -> Segment:
        shown = fit(text, width, "left") if cell_len(text) > width else text
        return Segment(
            to_ascii(shown) if self._is_ascii else shown, self.get_component_rich_style(f"picture-view--{part}")
        )

    def _pixel_line(self, pixels: Pixels, top: int) -> list[Segment]:
        if self._is_ascii or self.app.no_color:
            ramp = ASCII_RAMP if self._is_ascii else BLOCK_RAMP
            return [Segment(_ramp_text(pixels, top, ramp), self.rich_style)]
        cells = [(_colour(pixels, x, top), _colour(pixels, x, top + 1)) for x in range(pixels.width)]
        return [
            Segment("▀" * sum(1 for _ in group), _half_block(upper, lower)) for (upper, lower), group in groupby(cells)
        ]


def _line_count(panel: Panel) -> int:
    return panel.pixels.height // 2 + (1 if panel.captions else 0)


def _colour(pixels: Pixels, x: int, y: int) -> tuple[int, int, int]:
    red, green, blue = pixels.at(x, y)
    return red // GREY_STEP * GREY_STEP, green // GREY_STEP * GREY_STEP, blue // GREY_STEP * GREY_STEP


@lru_cache(maxsize=8192)
def _half_block(upper: tuple[int, int, int], lower: tuple[int, int, int]) -> Style:
    """The colours are those of the picture, not of the theme."""
    return Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))


def _ramp_text(pixels: Pixels, top: int, ramp: str) -> str:
    """Two rows of pixels as characters of more or less ink; paper is blank on any terminal."""
    last = len(ramp) - 1
    return "".join(ramp[round(pixels.inked(x, top) * last)] for x in range(pixels.width))
