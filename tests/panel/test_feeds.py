from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual.message import Message

from htr_tui.files import LineAppender, dump_line, write_json
from htr_tui.journal.paths import StudyPaths
from htr_tui.panel.feeds.files import FilesFeed
from htr_tui.panel.feeds.machine import MachineFeed
from htr_tui.panel.feeds.series import LIMIT, ThinnedSeries
from htr_tui.panel.feeds.study import StudyFollower
from htr_tui.panel.feeds.thread import FeedThread
from htr_tui.panel.messages import FeedFailed, StoreChanged
from htr_tui.panel.store import Store
from htr_tui.panel.views import MachineView
from tests.fakes.studies import build_study
from tests.fakes.waiting import wait_for


class Target:
    """Keeps notices."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def post_message(self, message: Message) -> bool:
        self.messages.append(message)
        return True


@contextmanager
def reading(runs: Path) -> Iterator[tuple[FilesFeed, Store, Target]]:
    store, target = Store(), Target()
    feed = FilesFeed(runs, store, target)
    feed.start()
    try:
        yield feed, store, target
    finally:
        feed.stop()
        assert not feed.is_alive


def test_studies_are_read_with_trials_and_supervisor(tmp_path: Path) -> None:
    build_study(tmp_path, "alive", trials=20, running=1, failed=1)
    build_study(tmp_path, "ended", trials=20, running=0)
    build_study(tmp_path, "gone", trials=20, running=1, supervisor="dead", now=1e9)
    record = {"pid": 1 << 30, "ticks": 1, "boot": "b", "host": "far", "heartbeat": 1.0, "started": 1.0}
    write_json(StudyPaths(tmp_path / "gone").supervisor, record)
    with reading(tmp_path) as (_, store, _):
        wait_for(lambda: len(store.studies()) == 3 and all(study.is_loaded for study in store.studies()))
        states = {study.name: study.state for study in store.studies()}
        assert states == {"alive": "running", "ended": "finished", "gone": "interrupted"}
        study = store.study("alive")
        assert study is not None
        assert study.total == 20
        assert study.running == (19,)
        assert study.best is not None
        assert study.failures == (("gpu_oom", 1),)
        live = wait_for(lambda: store.live("alive").get(19))
        assert live.epoch is not None
        assert live.epochs == 10


def test_a_line_that_is_appended_arrives(tmp_path: Path) -> None:
    paths = build_study(tmp_path, "s", trials=5, running=1)
    with reading(tmp_path) as (feed, store, target):
        wait_for(lambda: (study := store.study("s")) is not None and study.is_loaded)
        target.messages.clear()
        LineAppender(paths.journal).append({"t": 2e9, "event": "note", "level": "error", "message": "disk is full"})
        feed.look_now()
        wait_for(lambda: (study := store.study("s")) is not None and study.notes)
        wait_for(lambda: any(isinstance(message, StoreChanged) for message in target.messages))


def test_live_progress_arrives(tmp_path: Path) -> None:
    paths = build_study(tmp_path, "s", trials=3, running=1)
    with reading(tmp_path) as (_, store, _):
        wait_for(lambda: store.live("s").get(2))
        events = paths.attempt(2, 1).events
        with open(events, "ab") as file:
            file.write(b'garbage\n{"half": ')
            file.flush()
        with open(events, "ab") as file:
            file.write(b"}\n" + dump_line({"t": 3.0, "kind": "progress", "epoch": 9, "step": 3, "of": 4, "rate": 2.0}))
        wait_for(lambda: store.live("s")[2].epoch == 9)
        live = store.live("s")[2]
        assert (live.step, live.of, live.fraction) == (3, 4, 0.75)


def test_the_trial_that_is_looked_at_is_read_in_full(tmp_path: Path) -> None:
    build_study(tmp_path, "s", trials=40, running=0, full_attempts=40)
    with reading(tmp_path) as (feed, store, _):
        wait_for(lambda: (study := store.study("s")) is not None and study.is_loaded)
        failed = next(t for n in range(40) if (t := store.trial("s", n)) is not None and t.state == "failed")
        feed.look_at("s", failed.number)
        number = failed.number
        wait_for(lambda: (f := store.files("s", number)) is not None and f.attempts and f.attempts[-1].is_loaded)
        files = store.files("s", number)
        assert files is not None
        last = files.attempts[-1]
        assert last.finding is not None
        assert last.finding["category"] == "gpu_oom"
        assert last.epochs
        assert last.samples
        assert len(last.system) == 60
        assert last.exit is not None
        assert last.command
        assert all(sample.path.is_relative_to(last.path) for sample in last.samples)
        feed.look_at(None, None)


def test_studies_come_and_go(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with reading(runs) as (feed, store, _):
        wait_for(lambda: store.is_scanned)
        assert store.studies() == []
        build_study(runs, "s", trials=2, running=0)
        feed.look_now()
        wait_for(lambda: store.studies())
        shutil.rmtree(runs)
        feed.look_now()
        wait_for(lambda: not store.studies())


def test_broken_files_are_a_study_with_little_to_say(tmp_path: Path) -> None:
    for name, text in (("empty", b""), ("garbage", b"\x00\xff\n[]\n{}\n"), ("torn", b'{"t": 1, "event": "study_cr')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.jsonl").write_bytes(text)
        (tmp_path / name / "supervisor.json").write_bytes(b"[")
        (tmp_path / name / "tracking.json").write_bytes(b'{"error": {"message": "server is away", "since": 1.0}}')
    with reading(tmp_path) as (_, store, target):
        wait_for(lambda: len(store.studies()) == 3 and all(study.is_loaded for study in store.studies()))
        assert all(study.total == 0 and study.tracking_error == "server is away" for study in store.studies())
        assert not any(isinstance(message, FeedFailed) for message in target.messages)


def test_a_quiet_folder_is_looked_at_seldom_and_tells_nothing(tmp_path: Path) -> None:
    build_study(tmp_path, "s", trials=10, running=0)
    with reading(tmp_path) as (feed, store, target):
        wait_for(lambda: (study := store.study("s")) is not None and study.is_loaded)
        wait_for(lambda: feed.steps >= 3)
        target.messages.clear()
        version, steps = store.version, feed.steps
        wait_for(lambda: feed.steps >= steps + 2)
        assert target.messages == []
        assert store.version == version


def test_a_step_that_fails_is_told_and_tried_again() -> None:
    told: list[str] = []
    steps: list[int] = []

    def step() -> float:
        steps.append(1)
        if len(steps) == 1:
            raise OSError("stale file handle")
        return 60.0

    thread = FeedThread("test", step, told.append)
    thread.start()
    wait_for(lambda: told)
    thread.wake()
    wait_for(lambda: len(steps) == 2)
    thread.stop()
    assert told == ["OSError: stale file handle"]
    assert not thread.is_alive


def test_a_thread_that_waits_stops_at_once() -> None:
    thread = FeedThread("test", lambda: 3600.0, print)
    thread.start()
    wait_for(lambda: thread.steps == 1)
    thread.stop()
    assert not thread.is_alive
    assert "test" not in {other.name for other in threading.enumerate()}


def test_the_machine_tells_only_what_changed() -> None:
    target, store = Target(), Store()
    views = [MachineView(cpu_percent=1.0), MachineView(cpu_percent=1.0), MachineView(cpu_percent=2.0)]
    feed = MachineFeed(Path("/"), store, target, lambda: views.pop(0) if len(views) > 1 else views[0])
    feed.start()
    wait_for(lambda: store.machine is not None)
    for _ in range(2):
        before = len(views)
        feed._thread.wake()
        wait_for(lambda before=before: len(views) < before or before == 1)  # type: ignore[misc]
    wait_for(lambda: store.machine == MachineView(cpu_percent=2.0))
    feed.stop()
    assert len(target.messages) == 2
    assert not feed.is_alive


def test_a_long_series_keeps_its_peaks_in_bounded_memory() -> None:
    series = ThinnedSeries()
    for i in range(50_001):
        series.add((float(i), 1000.0 if i == 31_337 else 1.0, float(i % 7)))
    rows = series.all()
    assert len(rows) <= LIMIT + 1
    assert max(row[1] for row in rows) == 1000.0
    assert rows[0][0] == 0.0
    assert rows[-1][0] >= 50_000 - series.stride


def test_a_study_that_ends_while_it_is_read_was_never_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = build_study(tmp_path / "runs", "study", trials=4, running=1, supervisor="alive")
    follower = StudyFollower(paths)
    while not follower.view.is_loaded:
        follower.refresh(time.time())
    states = [follower.view.state]
    read = follower._journal.refresh

    def ends_just_then(limit: int) -> bool:
        news = read(limit)
        paths.supervisor.unlink(missing_ok=True)
        return news

    monkeypatch.setattr(follower._journal, "refresh", ends_just_then)
    for _ in range(2):
        follower.refresh(time.time())
        states.append(follower.view.state)
    assert states == ["running", "running", "interrupted"]
