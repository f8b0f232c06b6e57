"""GPUs and host on one line that drops details until it fits, and trends as a word of bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from htr_tui.panel.format import bar, is_ascii_terminal, number, to_ascii
from htr_tui.text import clean_text

GB: Final = 1e9
FULL_WARN, FULL_BAD = 0.90, 0.97
"""Shares of memory from which the strip warns."""

HOT_WARN, HOT_BAD = 83.0, 90.0
"""Degrees Celsius from which the strip warns."""

_BLOCKS: Final = ("▁▂▃▄▅▆▇█", "_.-=+*#@")

Piece = tuple[str, str]
"""Text and role: label, value, muted, warn or bad."""


@dataclass(frozen=True, slots=True)
class StripGpu:
    """A graphics card; a sensor that does not answer is None."""

    index: int
    used_bytes: float | None = None
    total_bytes: float | None = None
    utilization: float | None = None
    """Percent."""
    temperature: float | None = None
    """Degrees Celsius."""
    power_w: float | None = None


@dataclass(frozen=True, slots=True)
class StripHost:
    """The machine."""

    cpu_percent: float | None = None
    memory_used: float | None = None
    memory_total: float | None = None
    load: float | None = None


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return sum(value / len(finite) for value in finite) if finite else None


def _level(value: float, low: float, high: float, count: int) -> int:
    if high <= low:
        return count // 2 - 1
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.0
    return max(0, min(count - 1, int(share * count)))


def strip_pieces(gpus: Sequence[StripGpu], host: StripHost | None, reason: str, width: int, ascii: bool) -> list[Piece]:
    """The strip in at most `width` cells: details go first, then the host, then the last cards."""
    for level in range(_LEVELS):
        pieces = _all_pieces(gpus, host, reason, level, ascii)
        if _width(pieces) <= width:
            return pieces
    for shown in range(len(gpus) - 1, 0, -1):
        more = [(f"  +{len(gpus) - shown} gpus", "muted")]
        pieces = [*_all_pieces(gpus[:shown], None, reason, _LEVELS - 1, ascii), *more]
        if _width(pieces) <= width:
            return pieces
    return _cut(_all_pieces(gpus[:1], None, reason, _LEVELS - 1, ascii), width)


_LEVELS: Final = 7
"""0: everything; 1: no power; 2: no load; 3: no temperature; 4: short bars; 5: no bars; 6: no host."""


def _all_pieces(gpus: Sequence[StripGpu], host: StripHost | None, reason: str, level: int, ascii: bool) -> list[Piece]:
    parts = [_gpu(gpu, level, ascii) for gpu in gpus]
    if not gpus:
        parts.append([("no GPU", "label"), (f" ({clean_text(reason, 120)})" if reason and level < 5 else "", "muted")])
    if host is not None and (level < 6 or not gpus):
        parts.append(_host(host, level, ascii))
    pieces: list[Piece] = []
    for part in parts:
        pieces.extend([("   " if level < 5 else "  ", "muted"), *part] if pieces else part)
    return [(to_ascii(text) if ascii else text, role) for text, role in pieces if text]


def _gpu(gpu: StripGpu, level: int, ascii: bool) -> list[Piece]:
    pieces: list[Piece] = [(f"gpu{gpu.index}", "label")]
    share = _share(gpu.used_bytes, gpu.total_bytes)
    role = _role(share, FULL_WARN, FULL_BAD)
    if level < 5:
        pieces.append((" " + bar(share, 8 if level < 4 else 4, ascii), role))
    pieces.append((f" {_memory(gpu.used_bytes, gpu.total_bytes)}", role))
    if gpu.utilization is not None:
        pieces.append((f" {number(gpu.utilization, 0)}%", "value"))
    if gpu.temperature is not None and (level < 3 or gpu.temperature >= HOT_WARN):
        pieces.append((f" {number(gpu.temperature, 0)}°C", _role(gpu.temperature, HOT_WARN, HOT_BAD)))
    if gpu.power_w is not None and level < 1:
        pieces.append((f" {number(gpu.power_w, 0)} W", "muted"))
    return _with_alarms(pieces)


def _host(host: StripHost, level: int, ascii: bool) -> list[Piece]:
    pieces: list[Piece] = [("cpu", "label")]
    busy = None if host.cpu_percent is None else host.cpu_percent / 100
    if level < 4:
        pieces.append((" " + bar(busy, 4, ascii), "value"))
    pieces.append((f" {number(host.cpu_percent, 0)}%", "value"))
    share = _share(host.memory_used, host.memory_total)
    role = _role(share, FULL_WARN, FULL_BAD)
    pieces.append(("  mem", "label"))
    pieces.append((f" {_memory(host.memory_used, host.memory_total)}", role))
    if host.load is not None and level < 2:
        pieces.append((f"  load {number(host.load, 1)}", "muted"))
    return _with_alarms(pieces)


def _with_alarms(pieces: list[Piece]) -> list[Piece]:
    """A mark of exclamation behind what warns, for those who see no colour; the bar beside a number needs none."""
    return [
        (text + "!" if role in ("warn", "bad") and text[-1:] not in "█░#.╌-" else text, role) for text, role in pieces
    ]


def _share(used: float | None, total: float | None) -> float | None:
    return used / total if used is not None and total else None


def _memory(used: float | None, total: float | None) -> str:
    if used is None and total is None:
        return number(None)
    if total is None:
        return f"{number(None if used is None else used / GB, 1)} GB"
    whole = number(total / GB, 1).removesuffix(".0")
    return f"{number(None if used is None else used / GB, 1)}/{whole} GB"


def _role(value: float | None, warn: float, bad: float) -> str:
    if value is None or value < warn:
        return "value"
    return "bad" if value >= bad else "warn"


def _width(pieces: Sequence[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)


def _cut(pieces: Sequence[Piece], width: int) -> list[Piece]:
    found: list[Piece] = []
    for text, role in pieces:
        if width > 0:
            found.append((text[:width], role))
            width -= cell_len(text)
    return found


class DeviceStrip(Widget):
    """One line: each GPU's memory, load and heat, and the host's."""

    ALLOW_SELECT = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"device-strip--{role}" for role in ("label", "value", "muted", "warn", "bad")
    }

    DEFAULT_CSS = """
    DeviceStrip {
        height: 1;
        width: 1fr;
        color: $foreground;
        & > .device-strip--label { color: $text-muted; }
        & > .device-strip--value { color: $foreground; }
        & > .device-strip--muted { color: $text-muted; }
        & > .device-strip--warn { color: $text-warning; text-style: bold; }
        & > .device-strip--bad { color: $text-error; text-style: bold; }
    }
    """

    def __init__(
        self,
        *,
        ascii: bool | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._is_ascii = is_ascii_terminal() if ascii is None else ascii
        self._gpus: tuple[StripGpu, ...] = ()
        self._host: StripHost | None = None
        self._reason = "not looked yet"

    def set_devices(self, gpus: Sequence[StripGpu], host: StripHost | None, reason: str = "") -> None:
        """Show new samples; `reason` says why there is no GPU. Equal samples draw nothing."""
        if (tuple(gpus), host, reason) != (self._gpus, self._host, self._reason):
            self._gpus, self._host, self._reason = tuple(gpus), host, reason
            self.refresh(layout=self.styles.width is not None and self.styles.width.is_auto)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as everything takes, where the style sheet says auto."""
        return min(container.width, _width(self._pieces(container.width)))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One line."""
        return 1

    def render_line(self, y: int) -> Strip:
        """The strip as it fits."""
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        segments = [
            Segment(text, self.get_component_rich_style(f"device-strip--{role}")) for text, role in self._pieces(width)
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _pieces(self, width: int) -> list[Piece]:
        return strip_pieces(self._gpus, self._host, self._reason, width, self._is_ascii)
