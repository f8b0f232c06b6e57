from __future__ import annotations

import pytest

from htr_tui.journal.records import Pause, StudyState, TrialRecord
from htr_tui.panel.store import Store
from htr_tui.panel.views import LiveAttempt, MachineView, TrialFiles
from tests.panel.studies import study_view


def trial(number: int, state: str = "complete") -> TrialRecord:
    return TrialRecord(number, state, {})  # type: ignore[arg-type]


def test_only_what_changed_after_a_version_is_given() -> None:
    store = Store()
    store.put_study(study_view("a"), [trial(n) for n in range(100)])
    first = store.trials_changed_since("a", -1)
    assert first.is_reset
    assert len(first.trials) == 100
    store.put_study(study_view("a"), [trial(7, "failed"), trial(100)])
    news = store.trials_changed_since("a", first.version)
    assert not news.is_reset
    assert [t.number for t in news.trials] == [7, 100]
    assert store.trials_changed_since("a", news.version).trials == ()


def test_a_journal_that_was_replaced_says_forget() -> None:
    store = Store()
    store.put_study(study_view("a"), [trial(n) for n in range(5)])
    seen = store.trials_changed_since("a", -1).version
    store.put_study(study_view("a"), [trial(0)], is_reset=True)
    changes = store.trials_changed_since("a", seen)
    assert changes.is_reset
    assert [t.number for t in changes.trials] == [0]


def test_a_study_that_is_gone_says_forget() -> None:
    store = Store()
    store.put_study(study_view("a"), [trial(0)])
    store.keep_studies([])
    assert store.study("a") is None
    assert store.trials_changed_since("a", store.version).is_reset
    assert store.trial("a", 0) is None


def test_live_attempts_touch_their_trial_and_go_when_it_ends() -> None:
    store = Store()
    store.put_study(study_view("a", running=(3,)), [trial(3, "running")])
    seen = store.trials_changed_since("a", -1).version
    store.put_live("a", [LiveAttempt(3, 1, epoch=2)])
    assert [t.number for t in store.trials_changed_since("a", seen).trials] == [3]
    assert store.live("a")[3].epoch == 2
    store.put_study(study_view("a"), [trial(3)])
    assert store.live("a") == {}
    store.put_live("gone", [LiveAttempt(1, 1)])


def test_files_belong_to_one_trial() -> None:
    store = Store()
    store.put_files(TrialFiles("a", 1))
    assert store.files("a", 1) is not None
    assert store.files("a", 2) is None
    assert store.files(None, None) is None


def test_the_same_machine_is_no_news() -> None:
    store = Store()
    assert store.put_machine(MachineView(cpu_percent=3.0))
    version = store.version
    assert not store.put_machine(MachineView(cpu_percent=3.0))
    assert store.version == version


def test_studies_at_work_come_first_then_the_newest() -> None:
    store = Store()
    for name, state, last in (("old", "finished", 1.0), ("new", "stopped", 9.0), ("work", "running", 2.0)):
        store.put_study(study_view(name, state=state, last_t=last), ())
    assert [study.name for study in store.studies()] == ["work", "new", "old"]


def test_an_empty_folder_is_known_to_be_empty_only_after_a_look() -> None:
    store = Store()
    assert not store.is_scanned
    version = store.version
    store.keep_studies([])
    assert store.is_scanned
    assert store.version > version


@pytest.mark.parametrize(
    ("state", "running", "waiting", "is_busy"),
    [
        ("running", (3,), None, True),
        ("running", (), None, True),
        ("running", (), "the hours of the day", False),
        ("running", (3,), "memory", True),
        ("paused", (), None, False),
        ("paused", (3,), None, True),
        ("interrupted", (3,), None, False),
    ],
)
def test_a_study_is_looked_at_often_while_something_happens(
    state: StudyState, running: tuple[int, ...], waiting: str | None, is_busy: bool
) -> None:
    assert study_view(state=state, running=running, waiting=waiting).is_busy is is_busy


def test_what_wants_its_user_stands_first() -> None:
    store = Store()
    pause = Pause("failures", "all failed", 1.0)
    views = [
        study_view("new", last_t=9.0), study_view("runs", state="running", last_t=1.0),
        study_view("paused", state="paused", paused=pause, last_t=0.5),
        study_view("by-me", state="paused", paused=Pause("user", "", 1.0), last_t=5.0),
    ]  # fmt: skip
    for view in views:
        store.put_study(view, ())
    assert [view.name for view in store.studies()] == ["paused", "by-me", "runs", "new"]
