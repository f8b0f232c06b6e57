"""What must not be missed, in words, between header and body; it takes no room while there is nothing to say."""

from __future__ import annotations

from textual.widgets import Static

from htr_tui.panel.frame.lines import Lines, to_content

ROWS = 4
"""Lines it takes at most, so that the body keeps its room."""


class Banner(Static):
    """A few loud lines, set off by a bar and by capitals, never by colour alone."""

    ALLOW_SELECT = False

    def __init__(self, *, is_ascii: bool, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._is_ascii = is_ascii
        self._shown: tuple[str, str, int] = ("", "", 0)
        self.display = False

    @property
    def message(self) -> str:
        """What it says."""
        return "\n".join(part for part in self._shown[:2] if part)

    def show(self, text: str, advice: str, width: int) -> None:
        """Say what happened and what to do; empty texts take it away. Equal texts draw nothing."""
        if (text, advice, width) == self._shown:
            return
        self._shown = (text, advice, width)
        lines = Lines(max(20, width - 4), self._is_ascii)
        if text:
            lines.wrap(text, "bad", limit=ROWS - 1)
            lines.wrap(advice, "bold", limit=2)
        self.display = bool(text)
        self.update(to_content(lines.lines[:ROWS]))
