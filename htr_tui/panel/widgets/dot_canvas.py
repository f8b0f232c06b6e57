"""Lines on a grid of characters: braille dots, two by four in a cell, or plain characters in ASCII."""

from __future__ import annotations

from typing import Final

PATTERNS: Final[tuple[tuple[bool, ...], ...]] = (
    (True,),
    (True, True, True, True, False, False, False),
    (True, False, False),
    (True, True, True, True, True, False, False, True, False, False),
)
"""Which dots of a line are drawn, by style; so that curves differ without colour: solid, dashed, dotted, both."""

ASCII_MARKS: Final = "*+ox#%"
SAMPLES: Final = ("⠤⠤⠤", "⠤ ⠤", "⠄⠄⠄", "⠤⠄⠤")

_BITS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def sample(style: int, ascii: bool) -> str:
    """Three cells of a line, for a legend."""
    return ASCII_MARKS[style % len(ASCII_MARKS)] * 3 if ascii else SAMPLES[style % len(SAMPLES)]


class DotCanvas:
    """`columns` by `rows` cells; each cell remembers the style drawn into it last."""

    def __init__(self, columns: int, rows: int, ascii: bool = False) -> None:
        self.columns = columns
        self.rows = rows
        self._ascii = ascii
        self._across, self._down = (1, 1) if ascii else (2, 4)
        self._bits = [[0] * columns for _ in range(rows)]
        self._styles: list[list[int | None]] = [[None] * columns for _ in range(rows)]
        self._marks: dict[tuple[int, int], str] = {}

    def dot(self, x: float, y: float) -> tuple[int, int]:
        """The dot at a share of the width from the left and of the height from the bottom."""
        across = self.columns * self._across - 1
        down = self.rows * self._down - 1
        return round(x * across), down - round(y * down)

    def row(self, y: float) -> int:
        """The row of cells at a share of the height from the bottom."""
        return self.dot(0, y)[1] // self._down

    def line(self, start: tuple[int, int], end: tuple[int, int], style: int, phase: int = 0) -> int:
        """A line between two dots in the pattern of its style; gives the phase to go on with."""
        (x, y), (x_end, y_end) = start, end
        across, down = abs(x_end - x), -abs(y_end - y)
        step_x, step_y = (1 if x < x_end else -1), (1 if y < y_end else -1)
        error = across + down
        pattern = PATTERNS[0] if self._ascii else PATTERNS[style % len(PATTERNS)]
        while True:
            if pattern[phase % len(pattern)]:
                self._set(x, y, style)
            if (x, y) == (x_end, y_end):
                return phase
            phase += 1
            twice = 2 * error
            if twice >= down:
                error += down
                x += step_x
            if twice <= across:
                error += across
                y += step_y

    def point(self, at: tuple[int, int], style: int) -> None:
        """A single value, drawn larger than one dot so that it is seen."""
        x, y = at
        places = ((0, 0),) if self._ascii else ((0, 0), (1, 0), (0, 1), (1, 1))
        for right, below in places:
            self._set(x // self._across * self._across + right, min(y + below, self.rows * self._down - 1), style)

    def mark(self, at: tuple[int, int], character: str, style: int) -> None:
        """A character over the cell of a dot."""
        column, row = at[0] // self._across, at[1] // self._down
        if 0 <= column < self.columns and 0 <= row < self.rows:
            self._marks[column, row] = character
            self._styles[row][column] = style

    def cells(self, row: int) -> list[tuple[str, int | None]]:
        """Character and style of each cell of a row; a blank has no style."""
        found: list[tuple[str, int | None]] = []
        for column in range(self.columns):
            style, bits = self._styles[row][column], self._bits[row][column]
            if (column, row) in self._marks:
                found.append((self._marks[column, row], style))
            elif style is None:
                found.append((" ", None))
            else:
                found.append((ASCII_MARKS[style % len(ASCII_MARKS)] if self._ascii else chr(0x2800 + bits), style))
        return found

    def _set(self, x: int, y: int, style: int) -> None:
        column, row = x // self._across, y // self._down
        if 0 <= column < self.columns and 0 <= row < self.rows:
            self._bits[row][column] |= _BITS[y % self._down][x % self._across]
            self._styles[row][column] = style
