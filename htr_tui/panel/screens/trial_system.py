"""The System tab: memory and load of the host, memory of the GPU, over the attempt."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from htr_tui.journal.records import AttemptRecord
from htr_tui.panel import format
from htr_tui.panel.frame.lines import Lines, to_content
from htr_tui.panel.screens.trial_columns import GB
from htr_tui.panel.views import AttemptFiles
from htr_tui.panel.widgets.curve_chart import CurveChart

Rows = Sequence[tuple[float, float, float]]


class SystemPane(VerticalScroll):
    """Charts over minutes, and the peaks."""

    def __init__(self, *, is_ascii: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._is_ascii = is_ascii

    def compose(self) -> ComposeResult:
        """Peaks, then one chart a measure."""
        yield Static("", id="peaks", markup=False)
        for name, title in (
            ("rss", "host memory of the trainer, GB"),
            ("cpu", "processor, percent (100 = one core)"),
            ("gpu", "GPU memory, GB"),
            ("load", "GPU load, percent"),
        ):
            yield CurveChart(title, x_name="min", ascii=self._is_ascii, id=f"chart-{name}")

    def show(self, attempt: AttemptRecord | None, files: AttemptFiles | None) -> None:
        """Draw an attempt."""
        system: Rows = files.system if files is not None else ()
        devices: Rows = files.devices if files is not None else ()
        start = attempt.started if attempt is not None and attempt.started is not None else _first(system, devices)
        self._draw("rss", system, 1, GB, start)
        self._draw("cpu", system, 2, 1.0, start)
        self._draw("gpu", devices, 1, GB, start)
        self._draw("load", devices, 2, 1.0, start)
        self.query_one("#peaks", Static).update(to_content(self._peaks(attempt, files, system, devices).lines))

    def _draw(self, name: str, rows: Rows, column: int, unit: float, start: float) -> None:
        chart = self.query_one(f"#chart-{name}", CurveChart)
        chart.display = bool(rows)
        if rows:
            chart.set_points([(round(max(0.0, row[0] - start) / 60, 3), row[column] / unit) for row in rows])

    def _peaks(self, attempt: AttemptRecord | None, files: AttemptFiles | None, system: Rows, devices: Rows) -> Lines:
        lines = Lines(max(20, self.size.width - 2), self._is_ascii)
        rss = max([row[1] for row in system], default=None)
        gpu = max([row[1] for row in devices], default=None)
        rss = attempt.peak_rss_bytes if attempt is not None and attempt.peak_rss_bytes is not None else rss
        gpu = attempt.peak_gpu_bytes if attempt is not None and attempt.peak_gpu_bytes is not None else gpu
        lines.add(
            ("peak host memory ", "dim"), (format.size_bytes(rss), "bold"),
            ("   peak GPU memory ", "dim"), (format.size_bytes(gpu), "bold"),
        )  # fmt: skip
        if files is None or not files.is_loaded:
            lines.add(("reading", "dim"))
        elif not system and not devices:
            lines.add(("nothing was measured yet", "dim"))
        elif not devices:
            lines.add(("no GPU was measured: the trainer ran on the processor, or there is no NVIDIA driver", "dim"))
        return lines


def _first(*series: Rows) -> float:
    return min((rows[0][0] for rows in series if rows), default=0.0)
