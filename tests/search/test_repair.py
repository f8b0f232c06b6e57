"""Kills between any two steps, locks, deleted files, strangers: the journal's state always comes back."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from htr_tui.errors import StorageError
from htr_tui.journal.records import TrialRecord
from htr_tui.search import database
from htr_tui.search.store import SearchStore
from tests.search.bench import Bench

Make = Callable[..., Bench]


def journal_steps() -> list[Callable[[Bench], None]]:
    """What happens to three trials, event by event, after they were asked for."""
    return [
        lambda b: b.started(0),
        lambda b: b.reported(0, 1, 1.0),
        lambda b: b.started(1),
        lambda b: b.ended(0, "complete", [1.5]),
        lambda b: b.reported(1, 1, 0.5),
        lambda b: b.ended(1, "failed", category="gpu_oom"),
        lambda b: b.started(2),
        lambda b: b.reported(2, 1, 3.0),
        lambda b: b.ended(2, "stopped"),
        lambda b: b.log("trial_queued", trial=1, reason="retry", fix="halve_batch"),  # Optuna cannot reopen it
        lambda b: b.started(1),
        lambda b: b.reported(1, 2, 0.75),
        lambda b: b.ended(1, "complete", [0.75]),
        lambda b: b.log("trial_queued", trial=2, reason="continue"),
        lambda b: b.started(2),
        lambda b: b.ended(2, "pruned"),
    ]


def fresh(bench: Bench) -> Bench:
    """The same journal with a storage of its own."""
    return Bench(bench.path.with_name("reference.db"), bench.spec, bench.directions, bench.fold)


def expected(bench: Bench) -> list[tuple[Any, ...]]:
    """What Optuna has to show, from a storage made of the journal alone."""
    reference = fresh(bench)
    reference.path.unlink(missing_ok=True)
    store = reference.store()
    assert store.reconcile(bench.fold.trials) == []
    store.close()
    return reference.seen()


def comparable(seen: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Without the attributes that were taken back, and without the values of pruned trials."""
    return [
        (*t[:3], None if t[1] == "PRUNED" else t[3], t[4], {k: v for k, v in t[5].items() if v is not None})
        for t in seen
    ]


@pytest.mark.parametrize("told", [0, 1, 3, 5, 6, 9, 10, 12, 14, 16])
def test_a_kill_after_any_step(make_bench: Make, told: int) -> None:
    """Optuna was told the first `told` events, the journal has them all; then a new process starts."""
    bench = make_bench()
    store = bench.store()
    store.reconcile({})
    for _ in range(3):
        bench.created(store.ask())
    for index, step in enumerate(journal_steps()):
        step(bench)
        if index < told:
            for trial in bench.fold.trials.values():
                store.sync(trial)
    store.close()
    again = bench.store()
    assert again.reconcile(bench.fold.trials) == []
    assert comparable(bench.seen()) == comparable(expected(bench))
    assert [t.state.name for t in bench.frozen()] == ["COMPLETE", "COMPLETE", "PRUNED"]
    asked = again.ask()
    assert asked is not None
    assert asked.number == 3


@pytest.mark.parametrize("length", [0, 1, 4, 6, 9, 10, 13, 14, 16])
def test_any_state_of_the_journal(make_bench: Make, length: int) -> None:
    """Told live, told by a restart, or rebuilt from nothing: the same trials."""
    bench = make_bench()
    store = bench.store()
    store.reconcile({})
    for _ in range(3):
        bench.created(store.ask())
    for step in [lambda _: None, *journal_steps()[:length]]:
        step(bench)
        for trial in bench.fold.trials.values():
            store.sync(trial)
    wanted = expected(bench)

    assert comparable(bench.seen()) == comparable(wanted)
    store.close()
    bench.store().reconcile(bench.fold.trials)
    assert comparable(bench.seen()) == comparable(wanted)
    states = {"queued": "RUNNING", "running": "RUNNING", "stopped": "WAITING", "failed": "FAIL"}
    assert [t.state.name for t in bench.frozen()] == [
        states.get(r.state, r.state.upper()) for r in bench.fold.trials.values()
    ]


@pytest.mark.parametrize("seed", range(3))
def test_any_life_with_lost_tells_and_restarts(make_bench: Make, seed: int) -> None:
    """Random allowed changes; half of them are never told, and every fifth step is a new process."""
    draw = random.Random(seed)
    bench = make_bench()
    store = bench.store()
    store.reconcile({})
    for step in range(25):
        number = draw.randrange(4)
        trial = bench.fold.trials.get(number)
        if trial is None:
            asked = store.ask()
            if draw.random() < 0.7:
                bench.created(asked)
            else:  # killed before the journal's line
                store = bench.store()
                for adopted in store.reconcile(bench.fold.trials):
                    bench.created(adopted)
            continue
        if trial.state == "queued":
            bench.started(number)
        elif trial.state == "running":
            bench.reported(number, draw.randrange(1, 6), draw.random())
            if draw.random() < 0.6:
                state = draw.choice(["complete", "failed", "pruned", "stopped"])
                bench.ended(number, state, [draw.random()], "crash" if state == "failed" else None)
        elif trial.state != "complete":
            bench.log("trial_queued", trial=number, reason="retry")
        if draw.random() < 0.5:
            store.sync(bench.fold.trials[number])
        if step % 5 == 4:
            store.close()
            store = bench.store()
            assert store.reconcile(bench.fold.trials) == []
            assert comparable(bench.seen()) == comparable(expected(bench))
    assert [t.number for t in bench.frozen()] == sorted(bench.fold.trials)


def test_a_trial_that_only_optuna_knows_is_returned(bench: Bench) -> None:
    store = bench.store()
    store.reconcile({})
    bench.created(store.ask())
    lost = store.ask()
    store.close()
    again = bench.store()
    assert again.reconcile(bench.fold.trials) == [lost]
    bench.created(lost)
    asked = again.ask()
    assert asked is not None
    assert asked.number == 2


@pytest.mark.parametrize("suggested", range(4))
def test_a_trial_killed_between_its_parameters_is_completed(make_bench: Make, suggested: int) -> None:
    """The point is the one that the killed process would have drawn."""
    bench, reference = make_bench(), make_bench()
    store = bench.store()
    store.reconcile({})
    whole_store = reference.store()
    whole_store.reconcile({})
    whole = whole_store.ask()
    assert whole is not None
    study = optuna.load_study(study_name="bench", storage=bench.url)
    storage = study._storage
    trial = optuna.Trial(study, storage.create_new_trial(study._study_id))
    names = list(whole.params)[:suggested]
    source = reference.frozen()[0]
    for name in names:
        distribution = source.distributions[name]
        internal = distribution.to_internal_repr(whole.params[name])
        storage.set_trial_param(trial._trial_id, name, internal, distribution)
    store.close()
    again = bench.store()
    (asked,) = again.reconcile({})
    assert asked.number == 0
    assert set(asked.params) == set(whole.params)
    assert {n: asked.params[n] for n in names} == {n: whole.params[n] for n in names}
    assert bench.frozen()[0].params == asked.params
    storage.remove_session()
    storage._backend.engine.dispose()  # type: ignore[attr-defined]


def test_an_adopted_trial_that_fits_no_more_is_dropped(make_bench: Make) -> None:
    bench = make_bench({"sampler": "random", "space": {"x": {"categorical": ["a", "b"]}}})
    store = bench.store()
    store.reconcile({})
    store.ask()
    store.close()
    bench.spec = type(bench.spec).model_validate({"sampler": "random", "space": {"x": {"categorical": ["c", "d"]}}})
    again = bench.store()
    assert again.reconcile({}) == []
    asked = again.ask()
    assert asked is not None
    assert asked.number == 0
    assert asked.params["x"] in "cd"


def test_a_trial_queued_by_a_client_is_taken_over(bench: Bench) -> None:
    store = bench.store()
    store.reconcile({})
    study = optuna.load_study(study_name="bench", storage=bench.url)
    study.enqueue_trial({"lr": 0.5, "width": 3, "norm": "layer", "epochs": 6})
    with pytest.raises(StorageError, match="another program"):
        store.ask()
    (asked,) = store.reconcile({})
    assert asked.params == {"lr": 0.5, "width": 3, "norm": "layer", "epochs": 6}
    study._storage.remove_session()
    study._storage._backend.engine.dispose()  # type: ignore[attr-defined]


def make_history(bench: Bench) -> SearchStore:
    store = bench.store()
    store.reconcile({})
    for _ in range(3):
        bench.created(store.ask())
    for step in journal_steps()[:9]:
        step(bench)
    for trial in bench.fold.trials.values():
        store.sync(trial)
    return store


@pytest.mark.parametrize("how", ["closed", "while open", "study only", "damaged"])
def test_rebuilt_after_deletion(bench: Bench, how: str) -> None:
    store = make_history(bench)
    before = bench.seen()
    if how == "study only":
        optuna.delete_study(study_name="bench", storage=bench.url)
    else:
        if how != "while open":
            store.close()
        for path in bench.path.parent.glob("optuna.db*"):
            path.unlink()
    if how == "damaged":
        bench.path.write_bytes(b"this is no database, whatever its name says" * 100)
        with pytest.raises(StorageError, match="damaged"):
            bench.store().reconcile(bench.fold.trials)
        bench.path.unlink()
    if how in ("while open", "study only"):
        with pytest.raises(StorageError):
            store.sync(bench.fold.trials[0])
    assert store.reconcile(bench.fold.trials) == []
    assert bench.seen() == before
    asked = store.ask()
    assert asked is not None
    assert asked.number == 3


def spoiled(bench: Bench) -> dict[int, TrialRecord]:
    """A journal whose trial 0 is another one than Optuna's, as after restoring an old copy of the database."""
    trial = bench.fold.trials[0]
    bench.fold.trials[0] = replace(trial, params={**trial.params, "width": 8 if trial.params["width"] != 8 else 1})
    return bench.fold.trials


def test_a_failed_trial_is_opened_again_in_place(bench: Bench) -> None:
    store = make_history(bench)
    before = bench.frozen()
    bench.log("trial_queued", trial=1, reason="retry")
    store.sync(bench.fold.trials[1])
    after = bench.frozen()
    assert [t.state.name for t in after] == ["COMPLETE", "RUNNING", "WAITING"]
    assert [t._trial_id for t in after] == [t._trial_id for t in before]
    assert (after[1].values, after[1].datetime_complete) == (None, None)
    bench.started(1)
    bench.ended(1, "complete", [9.0])
    store.sync(bench.fold.trials[1])
    assert bench.frozen()[1].values == [9.0]
    assert optuna.load_study(study_name="bench", storage=bench.url).best_trial.number == 1


def test_a_complete_trial_with_other_values_is_told_again(bench: Bench) -> None:
    store = make_history(bench)
    bench.fold.trials[0] = replace(bench.fold.trials[0], value=7.0, values=(7.0,))
    store.sync(bench.fold.trials[0])
    assert bench.frozen()[0].values == [7.0]
    store.close()


def test_another_trial_under_a_number_is_refused_and_then_repaired(bench: Bench) -> None:
    store = make_history(bench)
    trials = spoiled(bench)
    with pytest.raises(StorageError, match="another trial 0"):
        store.sync(trials[0])
    assert store.reconcile(trials) == []
    assert comparable(bench.seen()) == comparable(expected(bench))


def test_attributes_of_others_survive_a_rebuild(bench: Bench) -> None:
    store = make_history(bench)
    study = optuna.load_study(study_name="bench", storage=bench.url)
    study.set_user_attr("paper", "figure 3")
    study._storage.set_trial_user_attr(study.trials[2]._trial_id, "seen", "yes")
    study._storage.remove_session()
    bench.log("trial_queued", trial=1, reason="retry")
    store.reconcile(spoiled(bench))
    assert [t.state.name for t in bench.frozen()] == ["COMPLETE", "RUNNING", "WAITING"]
    assert bench.frozen()[0].params["width"] == 8
    assert bench.frozen()[2].user_attrs["seen"] == "yes"
    names = optuna.get_all_study_names(bench.url)
    assert names == ["bench"]
    assert optuna.load_study(study_name="bench", storage=bench.url).user_attrs == {"paper": "figure 3"}


@pytest.mark.parametrize("victim", ["add_trial", "delete_study", "rename_study"])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_within_a_rebuild(bench: Bench, monkeypatch: pytest.MonkeyPatch, victim: str, after: bool) -> None:
    class Killed(BaseException):
        pass

    store = make_history(bench)
    bench.log("trial_queued", trial=1, reason="retry")
    trials = spoiled(bench)
    place: Any = {"add_trial": optuna.Study, "delete_study": optuna, "rename_study": database}[victim]
    real = getattr(place, victim)

    def killed(*args: Any, **kwargs: Any) -> None:
        if after:
            real(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(place, victim, killed)
        with pytest.raises(Killed):
            store.reconcile(trials)
    store.close()
    again = bench.store()
    assert again.reconcile(bench.fold.trials) == []
    assert comparable(bench.seen()) == comparable(expected(bench))
    assert optuna.get_all_study_names(bench.url) == ["bench"]


@pytest.mark.parametrize("action", ["reconcile", "ask", "sync", "connect"])
def test_a_locked_database_is_told_and_later_goes_on(make_bench: Make, action: str) -> None:
    bench = make_bench()
    make_history(bench).close()
    store = bench.store(timeout_s=0.05)
    if action != "connect":
        store.reconcile(bench.fold.trials)
    bench.log("trial_queued", trial=2, reason="continue")
    actions: dict[str, Callable[[], object]] = {
        "reconcile": lambda: store.reconcile(bench.fold.trials),
        "ask": store.ask,
        "sync": lambda: store.sync(bench.fold.trials[2]),
        "connect": store.connect,
    }
    with closing(sqlite3.connect(bench.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError) as caught:
            actions[action]()
        other.execute("ROLLBACK")
    assert "locked" in caught.value.message
    assert str(bench.path) in caught.value.message
    assert "tried again" in caught.value.hint
    assert store.reconcile(bench.fold.trials) == []
    assert comparable(bench.seen()) == comparable(expected(bench))
    asked = store.ask()
    assert asked is not None
    assert asked.number == 3


def test_a_reader_does_not_block(bench: Bench) -> None:
    store = make_history(bench)
    with closing(sqlite3.connect(f"file:{bench.path}?mode=ro", uri=True)) as reader:
        cursor = reader.execute("SELECT * FROM trials")
        cursor.fetchone()
        assert store.ask() is not None


def test_finished_trials_of_others_are_refused_and_kept(bench: Bench) -> None:
    study = None
    bench.path.parent.mkdir(parents=True)
    study = optuna.create_study(study_name="bench", storage=bench.url, direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    store = bench.store()
    with pytest.raises(StorageError, match="does not know") as caught:
        store.reconcile({})
    assert "optuna delete-study --study-name bench" in caught.value.hint
    assert len(bench.frozen()) == 1
    study._storage.remove_session()
    study._storage._backend.engine.dispose()  # type: ignore[attr-defined]


def test_other_directions_are_refused(bench: Bench, make_bench: Make) -> None:
    make_history(bench).close()
    other = make_bench(directions=("minimize",))
    other.path = bench.path
    with pytest.raises(StorageError, match="other directions"):
        other.store().reconcile({})


def test_a_hole_in_the_journal_is_a_lost_trial(bench: Bench) -> None:
    store = make_history(bench)
    store.close()
    trials = {n: t for n, t in bench.fold.trials.items() if n != 2}
    trials[3] = type(trials[0])(3, "running", dict(trials[0].params))
    again = bench.store()
    again.reconcile(trials)
    frozen = bench.frozen()
    assert [t.state.name for t in frozen] == ["COMPLETE", "FAIL", "FAIL", "RUNNING"]
    assert frozen[2].user_attrs["category"] == "lost"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url", "no database URL"),
        ("sqlite:////proc/nowhere/optuna.db", "cannot open the study"),
        ("postgresql+nodriver://u:secret@127.0.0.1:1/db", "storage"),
    ],
)
def test_storages_that_cannot_be(bench: Bench, url: str, words: str) -> None:
    with pytest.raises(StorageError, match=words) as caught:
        SearchStore(bench.spec, ("maximize",), url, "bench", timeout_s=0.1).connect()
    assert "secret" not in str(caught.value)


def test_the_study_may_be_read_from_elsewhere_meanwhile(bench: Bench, tmp_path: Path) -> None:
    """Two studies in one file do not touch each other."""
    store = make_history(bench)
    other = SearchStore(bench.spec, ("maximize",), bench.url, "other")
    other.reconcile({})
    asked = other.ask()
    assert asked is not None
    assert asked.number == 0
    mine = store.ask()
    assert mine is not None
    assert mine.number == 3
    other.close()
