"""Metrics that trainers log to their runs come back into events.jsonl, once, and are not told to the run again."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from htr_tui.files import write_json
from htr_tui.metrics.epochs import EpochRule
from htr_tui.metrics.events import CollectedEvent, MetricsEvent, all_events
from htr_tui.tracking.client import StoreFailure
from htr_tui.tracking.plan import Point
from htr_tui.tracking.read_back import READ_EVERY_S, ReadBack, ReadOptions
from htr_tui.tracking.sync import StudyMirror
from tests.fakes.tracking_store import FakeStore
from tests.tracking.story import Story

PSNR = "val/psnr"


class Clock:
    """Far enough on at every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += READ_EVERY_S + 1
        return self.now


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(tmp_path / "study")
    story.supervise()
    story.create(0)
    story.start(0)
    return story


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def mirror_of(
    story: Story, store: FakeStore, rule: EpochRule | None = None, *only: str, clock: Callable[[], float] | None = None
) -> StudyMirror:
    options = ReadOptions(rule or EpochRule("step"), only)
    read_back = ReadBack(story.paths, options, clock or Clock())
    return StudyMirror(story.paths, lambda: store, read_back=read_back)


def log(story: Story, store: FakeStore, step: int, trial: int = 0, **values: float) -> None:
    """As the trainer does, in the run that it was told to join."""
    story.t += 1
    points = [Point(name.replace("__", "/"), value, int(story.t * 1000), step) for name, value in values.items()]
    store.log(store.trial(trial).run_id, points, {}, {})


def collected(story: Story, attempt: int = 1) -> list[tuple[int, str, float]]:
    return [
        (event.epoch, name, value)
        for event in all_events(story.paths.attempt(0, attempt).events)
        if isinstance(event, MetricsEvent)
        for name, value in event.values.items()
    ]


def last_words(story: Story, attempt: int = 1) -> int:
    return sum(isinstance(e, CollectedEvent) for e in all_events(story.paths.attempt(0, attempt).events))


def end(story: Story, attempt: int = 1) -> None:
    write_json(story.paths.attempt(0, attempt).exit, {"exit_code": 0})


def test_what_a_trainer_logs_comes_back_once(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    mirror.sync()
    log(story, store, 1, val__psnr=20.0)
    mirror.sync()
    log(story, store, 2, val__psnr=20.0)
    log(story, store, 2, loss=0.5)
    for _ in range(3):
        mirror.sync()
    assert collected(story) == [(1, PSNR, 20.0), (2, "loss", 0.5), (2, PSNR, 20.0)]
    assert last_words(story) == 0
    points = [(name, value, step) for name, value, _, step in store.trial(0).points]
    assert points == [(PSNR, 20.0, 1), (PSNR, 20.0, 2), ("loss", 0.5, 2)]


def test_the_last_word_comes_after_the_last_value(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    mirror.sync()
    log(story, store, 1, val__psnr=20.0)
    end(story)
    mirror.sync()
    mirror.sync()
    assert collected(story) == [(1, PSNR, 20.0)]
    assert last_words(story) == 1
    assert mirror_of(story, store).sync() is False
    assert (collected(story), last_words(story)) == ([(1, PSNR, 20.0)], 1)


def test_what_the_mirror_tells_does_not_come_back(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    mirror.sync()
    log(story, store, 1, val__psnr=20.0, system__cpu=99.0)
    mirror.sync()
    story.add("attempt_reported", trial=0, attempt=1, epoch=1, epochs=3, value=20.0)
    mirror.sync()
    mirror.sync()
    assert ("objective", 20.0) in [(name, value) for name, value, _, _ in store.trial(0).points]
    assert collected(story) == [(1, PSNR, 20.0)]


def test_a_later_attempt_has_its_own_values_only(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    mirror.sync()
    log(story, store, 1, val__psnr=1.0)
    log(story, store, 2, val__psnr=2.0)
    end(story)
    mirror.sync()
    story.end(0, 1, "failed", category="crash")
    story.add("trial_queued", trial=0, reason="retry")
    story.start(0, 2, reason="retry")
    mirror.sync()
    log(story, store, 2, val__psnr=2.5)
    mirror.sync()
    assert collected(story) == [(1, PSNR, 1.0), (2, PSNR, 2.0)]
    assert collected(story, 2) == [(2, PSNR, 2.5)]


def test_a_store_that_is_down_costs_nothing(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    mirror.sync()
    log(story, store, 1, val__psnr=1.0)
    mirror.sync()
    log(story, store, 2, val__psnr=2.0)
    end(story)
    store.is_down = True
    with pytest.raises(StoreFailure):
        mirror.sync()
    assert last_words(story) == 0
    store.is_down = False
    mirror.sync()
    assert collected(story) == [(1, PSNR, 1.0), (2, PSNR, 2.0)]
    assert last_words(story) == 1


def test_epochs_by_a_metric_by_counting_and_from_zero(story: Story, store: FakeStore) -> None:
    mirror_of(story, store).sync()
    for step, epoch in ((10, 0), (20, 0), (30, 1)):
        log(story, store, step, loss=step / 10, epoch=epoch)
    path = story.paths.attempt(0, 1).events
    for rule, expected in (
        (EpochRule("epoch", first=0), [(1, "loss", 2.0), (2, "loss", 3.0)]),
        (EpochRule("count"), [(1, "loss", 1.0), (2, "loss", 2.0), (3, "loss", 3.0)]),
        (EpochRule("step", first=0), [(11, "loss", 1.0), (21, "loss", 2.0), (31, "loss", 3.0)]),
    ):
        path.unlink(missing_ok=True)
        mirror_of(story, store, rule, "loss").sync()
        assert collected(story) == expected


def test_a_value_waits_for_its_epoch_and_is_not_forgotten(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store, EpochRule("epoch"))
    mirror.sync()
    log(story, store, 10, loss=1.0)
    mirror.sync()
    assert collected(story) == []
    log(story, store, 10, epoch=4)
    mirror.sync()
    assert collected(story) == [(4, "loss", 1.0)]
    log(story, store, 15, loss=0.5)
    end(story)
    mirror.sync()
    assert collected(story)[1:] == [(4, "loss", 0.5)]


def test_infinities_and_nan_survive_the_database(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    mirror.sync()
    log(story, store, 1, a=1.7976931348623157e308, b=-1.7976931348623157e308, c=math.nan)
    mirror.sync()
    values = {name: value for _, name, value in collected(story)}
    assert (values["a"], values["b"]) == (math.inf, -math.inf)
    assert math.isnan(values["c"])
    size = story.paths.attempt(0, 1).events.stat().st_size
    mirror.sync()
    assert story.paths.attempt(0, 1).events.stat().st_size == size


def test_a_quiet_run_is_not_asked_all_the_time(story: Story, store: FakeStore) -> None:
    now = [0.0]
    mirror = mirror_of(story, store, clock=lambda: now[0])
    mirror.sync()
    calls = store.calls
    mirror.sync()
    assert store.calls == calls
    now[0] += READ_EVERY_S
    mirror.sync()
    assert store.calls == calls + 1
