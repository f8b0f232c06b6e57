"""The Metrics tab: one chart a metric, by epoch, over all attempts."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from htr_tui.journal.records import TrialRecord
from htr_tui.panel.frame.lines import Lines, to_content
from htr_tui.panel.screens.metrics import curve_of, merge_attempts, metric_names
from htr_tui.panel.views import TrialFiles
from htr_tui.panel.widgets.chart_grid import ChartGrid
from htr_tui.panel.widgets.curve_chart import Series


class MetricsPane(Vertical):
    """Charts, with a line that says where the numbers come from."""

    def __init__(self, *, is_ascii: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._is_ascii = is_ascii

    def compose(self) -> ComposeResult:
        """A line and the charts."""
        yield Static("", id="metrics-line", markup=False)
        yield ChartGrid(id="charts", ascii=self._is_ascii)

    def focus(self, scroll_visible: bool = True) -> MetricsPane:
        """Give the focus to the first chart."""
        self.query_one(ChartGrid).focus(scroll_visible)
        return self

    def show(self, trial: TrialRecord | None, files: TrialFiles | None, objectives: Sequence[str]) -> None:
        """Draw a trial."""
        epochs = merge_attempts(files.attempts) if files is not None else []
        names = metric_names(epochs, objectives)
        charts = self.query_one(ChartGrid)
        charts.set_charts([(name, [Series(name, curve_of(epochs, name))]) for name in names])
        lines = Lines(max(20, self.size.width - 2), self._is_ascii)
        self._say(lines, trial, files, bool(names))
        line = self.query_one("#metrics-line", Static)
        line.display = bool(lines.lines)
        line.update(to_content(lines.lines))

    def _say(self, lines: Lines, trial: TrialRecord | None, files: TrialFiles | None, has_metrics: bool) -> None:
        attempts = files.attempts if files is not None else ()
        if not has_metrics:
            if trial is not None and not trial.attempts:
                lines.add(("this trial waits for a free slot", "dim"))
            elif files is None or any(not attempt.is_loaded for attempt in attempts):
                lines.add(("reading", "dim"))
            else:
                lines.add(("no metrics yet: they appear with the end of the first epoch", "dim"))
        parts = [
            f"epochs {attempt.epochs[0][0]}-{attempt.epochs[-1][0]} of attempt {attempt.number}"
            for attempt in attempts
            if attempt.epochs
        ]
        if len(parts) > 1:
            lines.wrap(" · ".join(parts), "dim", limit=2)
        if skipped := sum(attempt.skipped for attempt in attempts):
            lines.add((f"{skipped} lines of its events could not be understood and were skipped", "warn"))
        for attempt in attempts:
            for level, message in attempt.notes[-3:]:
                if level != "info":
                    lines.wrap(f"{level} of the trainer: {message}", "warn", limit=2)
