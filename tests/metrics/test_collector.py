"""How much a collector writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_tui.metrics import collector as module
from htr_tui.metrics.collector import CHANGE_EVERY_S, LINE_NAMES, Collector, Observation, Reading
from htr_tui.metrics.events import MAX_COUNT, MAX_NAMES, MetricsEvent, all_events


class Script:
    """A source that tells what it is given."""

    skipped = 0
    trouble = ""

    def __init__(self) -> None:
        self.told: list[Observation] = []

    def tell(self, epoch: int, **values: float) -> None:
        self.told.append(Observation(epoch, values))

    def read(self, deadline: float, *, final: bool) -> Reading:
        told, self.told = self.told, []
        return Reading(told)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("htr_tui.metrics.collector.time.monotonic", lambda: now[0])
    return now


def values_of(path: Path, name: str) -> list[tuple[int, float]]:
    events = [event for event in all_events(path) if isinstance(event, MetricsEvent)]
    return [(event.epoch, event.values[name]) for event in events if name in event.values]


def test_a_value_that_changes_all_the_time_is_written_now_and_then(tmp_path: Path, clock: list[float]) -> None:
    source, path = Script(), tmp_path / "events"
    collector = Collector("log", source, path)
    for number in range(1000):
        source.tell(1, loss=float(number))
        collector.collect()
        clock[0] += 0.5
    written = values_of(path, "loss")
    assert len(written) == 1 + 500 // CHANGE_EVERY_S
    assert written[:2] == [(1, 0.0), (1, 1.0)]
    source.tell(2, loss=5.0)
    collector.collect()
    assert values_of(path, "loss")[-2:] == [(1, 999.0), (2, 5.0)]
    source.tell(2, loss=6.0)
    collector.collect(final=True)
    assert values_of(path, "loss")[-1] == (2, 6.0)


def test_a_new_metric_of_an_epoch_does_not_wait(tmp_path: Path, clock: list[float]) -> None:
    source, path = Script(), tmp_path / "events"
    collector = Collector("log", source, path)
    for number, values in enumerate(({"loss": 1.0}, {"loss": 2.0}, {"loss": 3.0, "psnr": 4.0})):
        source.tell(1, **values)
        collector.collect()
        clock[0] += number
    assert values_of(path, "psnr") == [(1, 4.0)]
    assert values_of(path, "loss") == [(1, 1.0), (1, 2.0)]


def test_many_metrics_are_several_lines(tmp_path: Path) -> None:
    source, path = Script(), tmp_path / "events"
    source.tell(1, **{f"m{number}": float(number) for number in range(2 * MAX_NAMES)})
    Collector("csv", source, path).collect()
    lines = [event for event in all_events(path) if isinstance(event, MetricsEvent)]
    assert max(len(event.values) for event in lines) == LINE_NAMES
    assert sum(len(event.values) for event in lines) == 2 * MAX_NAMES


def test_what_is_beyond_all_bounds_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CELLS", 3)
    source, path = Script(), tmp_path / "events"
    collector = Collector("csv", source, path)
    source.tell(MAX_COUNT + 1, a=1.0)
    source.tell(-1, a=1.0)
    for epoch in range(1, 4):
        source.tell(epoch, a=1.0)
        collector.collect()
    source.tell(4, a=1.0)
    source.tell(3, a=2.0)
    collector.collect(final=True)
    assert values_of(path, "a") == [(1, 1.0), (2, 1.0), (3, 1.0), (3, 2.0)]
    assert collector.skipped == 3
