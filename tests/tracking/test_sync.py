from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htr_tui.files import read_json
from htr_tui.tracking.client import KIND, PARENT, StoreFailure
from htr_tui.tracking.state import StudyMemory, run_id_of, tracking_status
from htr_tui.tracking.sync import StudyMirror
from tests.fakes.tracking_store import FakeStore, Killed
from tests.tracking.story import Story

PSNR = "val/psnr"


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about power cuts, and hundreds of small files are written."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(tmp_path / "study")
    story.supervise()
    return story


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def mirror_of(story: Story, store: FakeStore, ahead: int = 0) -> StudyMirror:
    return StudyMirror(story.paths, lambda: store, ahead=ahead)


def series(store: FakeStore, trial: int, name: str) -> list[tuple[int, float | str]]:
    return [(step, value) for key, value, _, step in store.trial(trial).points if key == name]


def test_a_study_becomes_a_parent_children_and_the_best(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    story.whole(0)
    assert not mirror.sync()
    (parent,) = store.active("study")
    assert (parent.name, parent.status) == ("study", "RUNNING")
    (first,) = store.active("best")  # true at any time, not only at the end
    assert (first.params, first.tags["htr_tui.run_id"]) == ({"a": "0"}, store.trial(0).run_id)
    story.whole(1, "pruned")
    story.whole(2, "failed")
    story.whole(3, value=99.0)
    story.whole(4, "stopped")
    story.finish("stopped")
    assert mirror.sync()
    assert parent.status == "KILLED"
    runs = [store.trial(n) for n in range(5)]
    assert [run.status for run in runs] == ["FINISHED", "KILLED", "FAILED", "FINISHED", "KILLED"]
    assert [run.tags["htr_tui.state"] for run in runs] == ["complete", "pruned", "failed", "complete", "stopped"]
    assert all(run.tags[PARENT] == parent.run_id for run in runs)
    assert runs[3].params == {"a": "3"}
    assert series(store, 3, PSNR) == [(1, 14.0), (2, 15.0), (3, 16.0)]
    assert series(store, 3, "objective") == series(store, 3, PSNR)
    assert series(store, 3, "objective_value") == [(3, 99.0)]
    assert series(store, 1, "objective_value") == []
    (best,) = store.active("best")
    assert (best.name, best.status, best.params) == ("HPO_Best_Result", "FINISHED", {"a": "3"})
    assert best.tags["htr_tui.run_id"] == runs[3].run_id
    assert {(name, value) for name, value, _, _ in best.points} == {(PSNR, 99.0), ("objective_value", 99.0)}
    status = tracking_status(story.paths)
    assert (status.drained, status.error, status.refused) == (True, None, 0)


def test_metric_times_are_those_of_the_events(story: Story, store: FakeStore) -> None:
    story.create(0)
    story.start(0)
    story.report(0, 1, 1)
    event_t = story.t - 1
    story.event(0, 1, kind="metrics", epoch=2, values={"x": 1.0})
    story.event(0, 1, t=0, kind="metrics", epoch=3, values={"no time": 1.0})
    mirror_of(story, store).sync()
    times = {name: t for name, _, t, _ in store.trial(0).points}
    assert times[PSNR] == event_t * 1000
    assert times["no time"] == (event_t - 1) * 1000  # the attempt's start


def test_a_quiet_round_says_nothing(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store, ahead=1)
    story.whole(0)
    story.create(1)
    story.start(1)
    mirror.sync()
    calls, written = store.calls, story.paths.tracking.stat().st_mtime_ns
    mirror.sync()
    assert (store.calls, story.paths.tracking.stat().st_mtime_ns) == (calls, written)
    story.report(1, 1, 1)
    mirror.sync()
    assert store.calls == calls + 1


def test_retry_with_a_fix_runs_again_and_ends_finished(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    story.create(0)
    story.start(0)
    story.report(0, 1, 1)
    story.end(0, 1, "failed", category="gpu_oom")
    mirror.sync()
    run = store.trial(0)
    assert (run.status, run.tags["htr_tui.category"]) == ("FAILED", "gpu_oom")
    fixed = {"train.batch": 4}
    story.add("trial_queued", trial=0, reason="retry", fix="halve_batch", set=fixed, env={"A": "1"})
    mirror.sync()
    assert run.status == "SCHEDULED"
    story.start(0, 2, reason="retry", fix="halve_batch", set=fixed, env={"A": "1"}, resume_from=1)
    mirror.sync()
    assert run.status == "RUNNING"
    assert (run.tags["override.train.batch"], run.tags["env.A"], run.tags["htr_tui.fix"]) == ("4", "1", "halve_batch")
    story.report(0, 2, 2)
    story.end(0, 2, "complete", 5.0)
    mirror.sync()
    assert store.trial(0) is run
    assert (run.status, run.tags["htr_tui.category"], run.tags["htr_tui.attempts"]) == ("FINISHED", "", "2")
    assert run.params == {"a": "0"}
    assert series(store, 0, PSNR) == [(1, 11.0), (2, 12.0)]


def test_continue_after_a_stop_updates_the_best_and_the_parent(story: Story, store: FakeStore) -> None:
    story.whole(0)
    story.whole(1, "stopped")
    story.finish("stopped")
    assert mirror_of(story, store).sync()
    (first_best,) = store.active("best")
    stopped = store.trial(1)
    story.supervise()
    assert not tracking_status(story.paths).drained
    story.add("trial_queued", trial=1, reason="continue")
    story.start(1, 2, reason="continue", resume_from=1)
    mirror = mirror_of(story, store)
    mirror.sync()
    assert store.active("study")[0].status == "RUNNING"
    assert stopped.status == "RUNNING"
    story.report(1, 2, 4)
    story.end(1, 2, "complete", 50.0)
    story.finish()
    assert mirror.sync()
    assert store.active("study")[0].status == "FINISHED"
    assert store.trial(1) is stopped
    (best,) = store.active("best")
    assert best is not first_best
    assert best.params == {"a": "1"}
    assert mirror_of(story, store).sync()
    assert store.active("best") == [best]


def test_one_mirror_lives_through_a_stop_and_a_continuation(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    story.whole(0, "stopped")
    mirror.sync()
    story.add("trial_queued", trial=0, reason="continue")
    story.start(0, 2, reason="continue", resume_from=1)
    story.report(0, 2, 4)
    mirror.sync()
    story.report(0, 2, 5)
    story.end(0, 2, "complete", 50.0)
    mirror.sync()
    assert series(store, 0, PSNR) == series(store, 0, "objective") == [(e, 10.0 + e) for e in range(1, 6)]


def test_a_run_that_somebody_left_running_is_ended_at_the_next_start(story: Story, store: FakeStore) -> None:
    story.whole(0)
    story.whole(1, "failed")
    story.finish()
    assert mirror_of(story, store).sync()
    for run in store.runs.values():
        run.status = "RUNNING"
    assert mirror_of(story, store).sync()
    assert (store.trial(0).status, store.trial(1).status) == ("FINISHED", "FAILED")
    assert store.active("study")[0].status == "FINISHED"


def test_runs_ahead_are_used_and_the_rest_deleted(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store, ahead=2)
    mirror.sync()
    assert [(run.name, run.status) for run in store.active("trial")] == [
        ("trial-0000", "SCHEDULED"),
        ("trial-0001", "SCHEDULED"),
    ]
    ahead = run_id_of(story.paths, 0)
    assert ahead == store.trial(0).run_id
    assert not story.paths.trial(0).exists()
    story.create(0, label="no text branch")
    mirror.sync()
    assert run_id_of(story.paths, 0) == ahead
    story.start(0)
    story.report(0, 1, 1)
    mirror.sync()
    assert run_id_of(story.paths, 0) == ahead == store.trial(0).run_id
    assert (store.trial(0).name, store.trial(0).status) == ("no text branch", "RUNNING")
    assert {run_id_of(story.paths, n) for n in (1, 2)} == {store.trial(1).run_id, store.trial(2).run_id}
    assert set(StudyMemory.load(story.paths).ahead) == {1, 2}
    story.end(0, 1, "complete", 1.0)
    story.finish()
    assert mirror.sync()
    assert [run.name for run in store.active("trial")] == ["no text branch"]
    assert run_id_of(story.paths, 1) is None


def test_no_run_ahead_beyond_the_budget(tmp_path: Path, store: FakeStore) -> None:
    story = Story(tmp_path / "study", trials=2)
    story.supervise()
    story.whole(0)
    mirror_of(story, store, ahead=5).sync()
    assert len(store.active("trial")) == 2


def test_interrupted_trials_are_killed_and_run_again_when_adopted(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store, ahead=1)
    story.create(0)
    story.start(0)
    story.report(0, 1, 1)
    mirror.sync()
    assert mirror.sync(interrupted=True)
    assert store.trial(0).status == "KILLED"
    assert store.active("study")[0].status == "KILLED"
    assert len(store.active("trial")) == 1
    story.supervise()
    mirror.sync()
    assert store.trial(0).status == "RUNNING"
    assert store.active("study")[0].status == "RUNNING"


@pytest.mark.parametrize("change", ["trial deleted", "all deleted", "other store"])
def test_what_the_store_lost_is_told_again(story: Story, store: FakeStore, change: str) -> None:
    mirror = mirror_of(story, store)
    story.whole(0)
    story.create(1)
    story.start(1)
    story.report(1, 1, 1)
    mirror.sync()
    if change == "trial deleted":
        store.delete_run(store.trial(1).run_id)
        store.delete_run(store.trial(0).run_id)
    elif change == "all deleted":
        for run in store.runs.values():
            run.is_deleted = True
    else:
        store.runs.clear()
    story.report(1, 1, 2)
    with pytest.raises(StoreFailure):
        mirror.sync()
    mirror.sync()
    fresh = FakeStore()
    again = Story(story.paths.root.parent / "copy" / "study")
    shutil.copytree(story.paths.root, again.paths.root, dirs_exist_ok=True)
    for file in again.paths.root.rglob("tracking.json"):
        file.unlink()
    mirror_of(again, fresh).sync()
    expected = {place: (*facts[:3], facts[4]) for place, facts in fresh.content().items()}
    assert {place: (*facts[:3], facts[4]) for place, facts in store.content().items()} == expected


def test_a_store_that_is_down_is_told_of_and_tried_again(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    story.whole(0)
    store.is_down = True
    for _ in range(3):
        with pytest.raises(StoreFailure) as failure:
            mirror.sync()
        mirror.tell_error(failure.value)
    error = tracking_status(story.paths).error
    assert error is not None
    assert "connection refused" in error.message
    since = error.since
    mirror.tell_error(failure.value)
    error = tracking_status(story.paths).error
    assert error is not None
    assert error.since == since
    store.is_down = False
    story.finish()
    assert mirror.sync()
    assert tracking_status(story.paths).error is None
    assert store.trial(0).status == "FINISHED"


def test_what_the_store_refuses_costs_itself_only(story: Story, store: FakeStore) -> None:
    store.refuses = lambda name: "bad" in name
    story.create(0, bad_param=1, good=2)
    story.start(0)
    for epoch in range(1, 9):
        story.report(0, 1, epoch, good=1.0 * epoch, bad=2.0 * epoch)
    story.end(0, 1, "complete", 1.0)
    story.finish()
    assert mirror_of(story, store).sync()
    run = store.trial(0)
    assert (run.params, run.status) == ({"good": "2"}, "FINISHED")
    assert series(store, 0, "good") == [(e, 1.0 * e) for e in range(1, 9)]
    assert tracking_status(story.paths).refused == 8 + 1 + 1  # points, the trial's parameter, and the best run's


def test_nan_and_garbage_in_events(story: Story, store: FakeStore) -> None:
    story.create(0)
    story.start(0)
    with open(story.paths.attempt(0, 1).events, "wb") as file:
        file.write(b'\xff garbage\n{"kind": "metrics", "t": 1e300, "epoch": 1, "values": {"a": "nan", "b": [1]}}\n{"ki')
    mirror_of(story, store).sync()
    (point,) = store.trial(0).points
    assert point[:2] == ("a", "nan")
    assert point[2] < 2**53


def _long_story(root: Path) -> Story:
    story = Story(root)
    story.supervise()
    story.whole(0)
    story.whole(1, "pruned")
    story.create(2)
    story.start(2)
    story.report(2, 1, 1, **{"val/psnr": 3.0, "loss": math.nan})
    story.add("attempt_ended", trial=2, attempt=1, state="failed", category="gpu_oom", epoch=1)
    story.add("trial_queued", trial=2, reason="retry", fix="f", set={"b": 4})
    story.start(2, 2, set={"b": 4}, resume_from=1)
    story.report(2, 2, 2)
    story.end(2, 2, "complete", 70.0)
    story.whole(3, "stopped")
    story.finish()
    return story


def _settled(story: Story, store: FakeStore) -> None:
    for _ in range(3):
        if mirror_of(story, store, ahead=2).sync():
            return
    raise AssertionError("never settled")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[tuple[str, str], object], int]:
    store = FakeStore()
    story = _long_story(tmp_path_factory.mktemp("whole") / "study")
    _settled(story, store)
    return {p: f[:5] for p, f in store.content().items()}, store.calls


@settings(max_examples=40)
@given(data=st.data(), is_after=st.booleans())
def test_a_mirror_killed_at_any_calls_leaves_nothing_double_or_lost(
    tmp_path_factory: pytest.TempPathFactory,
    expected: tuple[dict[tuple[str, str], object], int],
    data: st.DataObject,
    is_after: bool,
) -> None:
    content, calls = expected
    deaths = set(data.draw(st.lists(st.integers(1, calls), min_size=1, max_size=4)))
    store = FakeStore()
    story = _long_story(tmp_path_factory.mktemp("killed") / "study")

    def die(call: int) -> None:
        if call in deaths:
            raise Killed

    _at(store, die, is_after)
    for _ in range(len(deaths) + 1):
        try:
            _settled(story, store)
            break
        except Killed:
            continue
    found = {p: f[:5] for p, f in store.content().items()}
    assert _without_path(found) == _without_path(content)


def _at(store: FakeStore, hook: Callable[[int], None], is_after: bool) -> None:
    if is_after:
        store.after = hook
    else:
        store.before = hook


def _without_path(content: dict[tuple[str, str], object]) -> dict[tuple[str, str], object]:
    plain: dict[tuple[str, str], object] = {}
    for place, facts in content.items():
        assert isinstance(facts, tuple)
        tags = {k: v for k, v in facts[3].items() if k != "htr_tui.path" and k != KIND}
        plain[place] = (*facts[:3], tags, facts[4])
    return plain


def test_offsets_lost_after_logging_bring_no_duplicates(story: Story, store: FakeStore) -> None:
    story.whole(0)
    mirror_of(story, store).sync()
    before = store.content()
    memory = story.paths.trial(0) / "tracking.json"
    assert read_json(memory) is not None
    memory.unlink()
    mirror_of(story, store).sync()
    assert store.content() == before


def test_a_journal_of_many_trials_is_told_once(tmp_path: Path, store: FakeStore) -> None:
    story = Story(tmp_path / "study", trials=300)
    story.supervise()
    for number in range(300):
        story.create(number)
        story.add("attempt_started", trial=number, attempt=1)
        story.end(number, 1, "complete", float(number))
    story.finish()
    assert mirror_of(story, store).sync()
    calls = store.calls
    assert mirror_of(story, store).sync()
    assert store.calls == calls + 2  # experiment and search


def test_the_best_result_follows_the_search(story: Story, store: FakeStore) -> None:
    mirror = mirror_of(story, store)
    story.whole(0, value=1.0)
    mirror.sync()
    story.whole(1, value=5.0)
    story.whole(2, value=3.0)
    mirror.sync()
    (best,) = store.active("best")
    assert (best.params, best.status) == ({"a": "1"}, "FINISHED")
    calls = store.calls
    story.whole(3, value=4.0)
    mirror.sync()
    assert store.active("best") == [best]
    assert store.calls > calls


def test_a_promoted_study_is_a_child_of_its_trial(tmp_path: Path) -> None:
    store = FakeStore()
    search = Story(tmp_path / "search")
    search.supervise()
    search.whole(7)
    mirror_of(search, store).sync()
    promoted = Story(tmp_path / "search-promoted-7", promoted_from={"study": "search", "trial": 7})
    promoted.supervise()
    promoted.whole(0)
    mirror_of(promoted, store).sync()
    run = next(r for r in store.active("study") if r.name == "search-promoted-7")
    assert run.tags[PARENT] == store.trial(7).run_id
    assert run.tags["htr_tui.promoted_from"] == "search #7"
