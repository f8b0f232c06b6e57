"""The Pictures tab: what the trainer drew, epoch by epoch."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from htr_tui.panel.frame.lines import Lines, to_content
from htr_tui.panel.views import SampleView, TrialFiles
from htr_tui.panel.widgets.picture_view import PictureView


class PicturesPane(Vertical):
    """One picture with its place among the others; it follows the newest until the user goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "Earlier", show=False),
        Binding("right", "step(1)", "Later", show=False),
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
    ]

    def __init__(self, *, is_ascii: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._is_ascii = is_ascii
        self._samples: tuple[SampleView, ...] = ()
        self._chosen: SampleView | None = None
        """None: the newest, whichever that is."""

    def compose(self) -> ComposeResult:
        """A line of words and the picture."""
        yield Static("", id="picture-place", markup=False)
        yield PictureView(id="picture", ascii=self._is_ascii)

    def focus(self, scroll_visible: bool = True) -> PicturesPane:
        """Give the focus to the picture."""
        self.query_one(PictureView).focus(scroll_visible)
        return self

    def show(self, files: TrialFiles | None) -> None:
        """Take in the pictures of a trial."""
        self._samples = tuple(sample for attempt in files.attempts for sample in attempt.samples) if files else ()
        if self._chosen not in self._samples:
            self._chosen = None
        is_loaded = files is not None and all(attempt.is_loaded for attempt in files.attempts)
        self._draw("no pictures yet" if is_loaded else "reading")

    @property
    def shown(self) -> SampleView | None:
        """The picture on screen."""
        return self._chosen or (self._samples[-1] if self._samples else None)

    def _draw(self, empty: str = "no pictures yet") -> None:
        sample = self.shown
        lines = Lines(max(20, self.size.width - 2), self._is_ascii)
        view = self.query_one(PictureView)
        if sample is None:
            lines.add((empty, "dim"))
            view.show_picture(None, "", ())
        else:
            place = f"{self._samples.index(sample) + 1} of {len(self._samples)}"
            epoch = f"epoch {sample.epoch}" if sample.epoch is not None else ""
            arrows = "< >" if self._is_ascii else "← →"
            lines.add((f"{epoch}  ", "bold"), (f"{place}, attempt {sample.attempt}  {arrows}", "dim"))
            caption = sample.caption if sample.caption != epoch else ""
            view.show_picture(sample.path, caption, sample.panels, sample.rows)
        self.query_one("#picture-place", Static).update(to_content(lines.lines))

    def _choose(self, row: int) -> None:
        if self._samples:
            row = max(0, min(len(self._samples) - 1, row))
            self._chosen = None if row == len(self._samples) - 1 else self._samples[row]
            self._draw()

    def action_step(self, step: int) -> None:
        """To the picture before or after."""
        sample = self.shown
        if sample is not None:
            self._choose(self._samples.index(sample) + step)

    def action_first(self) -> None:
        """To the first picture."""
        self._choose(0)

    def action_last(self) -> None:
        """To the newest picture, and follow."""
        self._choose(len(self._samples) - 1)
