"""A growing series of samples that keeps its shape in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

LIMIT = 2000
"""Samples kept; beyond, every second one goes and the next are taken half as often."""


@dataclass(slots=True)
class ThinnedSeries:
    """Rows of time and two values; the larger of neighbours survives, so peaks stay visible."""

    rows: list[tuple[float, float, float]] = field(default_factory=list)
    stride: int = 1
    _waiting: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, row: tuple[float, float, float]) -> None:
        """Take one sample in."""
        self._waiting.append(row)
        if len(self._waiting) < self.stride:
            return
        self.rows.append(_largest(self._waiting))
        self._waiting.clear()
        if len(self.rows) > LIMIT:
            self.rows = [_largest(self.rows[i : i + 2]) for i in range(0, len(self.rows), 2)]
            self.stride *= 2

    def all(self) -> tuple[tuple[float, float, float], ...]:
        """Everything, with what waits for its neighbours."""
        return (*self.rows, *([_largest(self._waiting)] if self._waiting else []))


def _largest(rows: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    return (rows[0][0], max(row[1] for row in rows), max(row[2] for row in rows))
