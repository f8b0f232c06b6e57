"""The best trials of another study, as far as this one's space has them."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from htr_tui.errors import StorageError
from htr_tui.files import dump_line
from htr_tui.search import database
from htr_tui.search.warm_start import Known, best_first, plan_warm_start, usable_parameters
from htr_tui.study.search_spec import SearchSpec, WarmStart
from htr_tui.study.warm_source import WarmSource, locate

SPACE: dict[str, Any] = {
    "lr": {"float": [0.001, 1.0], "log": True},
    "layers": {"categorical": [[64], [64, 32]]},
    "ctc": {"categorical": [True, False]},
    "ctc.weight": {"float": [0.1, 2], "when": {"ctc": True}},
    "epochs": 6,
}
SEARCH = SearchSpec.model_validate({"space": SPACE})


def write_journal(folder: Path, trials: list[dict[str, Any]], directions: tuple[str, ...] = ("maximize",)) -> None:
    """A study whose trials are complete; `params`, `values`, and what else a trial says."""
    records: list[dict[str, Any]] = [{"t": 1.0, "event": "study_created", "study": "other", "directions": directions}]
    for number, trial in enumerate(trials):
        records += [
            {"t": 2.0, "event": "trial_created", "trial": number, "params": trial["params"]},
            {"t": 3.0, "event": "attempt_started", "trial": number, "attempt": 1, "set": trial.get("set", {})},
            {"t": 4.0, "event": "attempt_ended", "trial": number, "attempt": 1, "state": "complete"},
            {"t": 4.0, "event": "trial_ended", "trial": number, "state": trial.get("state", "complete"),
             "values": trial["values"], "constraints": trial.get("constraints", [])},
        ]  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_bytes(b"".join(map(dump_line, records)))


def test_the_best_of_a_journal(tmp_path: Path) -> None:
    write_journal(
        tmp_path / "runs" / "other",
        [
            {"params": {"lr": 0.1, "ctc": False}, "values": [1.0]},
            {"params": {"lr": 0.2, "ctc": True, "ctc.weight": 1}, "values": [5.0]},
            {"params": {"lr": 0.3}, "values": [9.0], "constraints": [1.0]},
            {"params": {"lr": 0.4}, "values": [8.0], "state": "failed"},
            {"params": {"lr": 7.0, "layers": [64, 32], "old": 3}, "values": [4.0]},
            {"params": {"lr": 0.5}, "set": {"lr": 0.25}, "values": [3.0]},
            {"params": {"lr": 0.6}, "values": ["nan"]},
        ],
    )
    source = locate(WarmStart(study="other"), tmp_path)
    plan = plan_warm_start(SEARCH, source, 3)
    assert [(w.params, w.label, w.by) for w in plan.wishes] == [
        ({"lr": 0.2, "ctc": True, "ctc.weight": 1.0}, "other #1", "warm_start"),
        ({"layers": [64, 32]}, "other #4", "warm_start"),
        ({"lr": 0.25}, "other #5", "warm_start"),
    ]
    assert [note.split("; ")[0] for note in plan.notes] == [
        "warm start: lr is not in this study's range in trial #4 of other",
        "warm start: old is not in this study's range in trial #4 of other",
    ]


def test_what_is_the_same_here_is_run_once(tmp_path: Path) -> None:
    trials = [{"params": {"lr": 0.1, "x": n}, "values": [n]} for n in range(3)] + [
        {"params": {"epochs": 6}, "values": [7]}
    ]
    write_journal(tmp_path / "runs" / "other", trials)
    plan = plan_warm_start(SEARCH, locate(WarmStart(study="other"), tmp_path), 10)
    assert [w.params for w in plan.wishes] == [{"lr": 0.1}]
    assert "trials #3, #1, #0 of other would be the same as others here" in plan.notes[-1]


def test_nothing_to_take(tmp_path: Path) -> None:
    write_journal(tmp_path / "runs" / "other", [])
    plan = plan_warm_start(SEARCH, locate(WarmStart(study="runs/other"), tmp_path), 10)
    assert plan.wishes == ()
    assert "no complete trial" in plan.notes[0]


def make_storage(path: Path, *names: str) -> str:
    url = f"sqlite:///{path}"
    storage = optuna.storages.RDBStorage(url)
    for name in names:
        study = optuna.create_study(study_name=name, storage=storage, direction="minimize")
        space = {
            "lr": optuna.distributions.FloatDistribution(0.01, 0.5),
            "layers": optuna.distributions.CategoricalDistribution(["[64]", "[64, 32]"]),
        }
        for value in (3.0, 1.0, 2.0):
            study.add_trial(
                optuna.trial.create_trial(
                    params={"lr": value / 10, "layers": "[64, 32]"}, distributions=space, value=value
                )
            )
        study.enqueue_trial({"lr": 0.1})
    storage.remove_session()
    storage.engine.dispose()
    return url


def test_the_best_of_an_optuna_storage_that_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    make_storage(path, "first")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    plan = plan_warm_start(SEARCH, locate(WarmStart(study="sqlite:///old.db"), tmp_path), 2)
    assert [(w.params, w.label) for w in plan.wishes] == [
        ({"lr": 0.1, "layers": [64, 32]}, "first #1"),
        ({"lr": 0.2, "layers": [64, 32]}, "first #2"),
    ]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [p.name for p in tmp_path.iterdir()] == ["old.db"]


def test_a_storage_in_wal_mode_gets_no_file_beside_it(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    url = make_storage(theirs / "old.db", "first")
    with closing(sqlite3.connect(theirs / "old.db")) as connection:
        assert connection.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    before = (theirs / "old.db").read_bytes()
    assert len(plan_warm_start(SEARCH, WarmSource("first", url=url), 9).wishes) == 3
    assert [p.name for p in theirs.iterdir()] == ["old.db"]
    assert (theirs / "old.db").read_bytes() == before


def test_one_of_several_studies(tmp_path: Path) -> None:
    url = make_storage(tmp_path / "old.db", "first", "second")
    assert len(plan_warm_start(SEARCH, WarmSource("second", url=url), 9).wishes) == 3
    with pytest.raises(StorageError, match=r"several studies; warm_start.name is one of: first, second"):
        plan_warm_start(SEARCH, WarmSource("", url=url), 9)
    with pytest.raises(StorageError, match="no study 'third'"):
        plan_warm_start(SEARCH, WarmSource("third", url=url), 9)
    (tmp_path / "no.db").write_text("this is no database, by far no database at all")
    with database.quiet(), pytest.raises(StorageError, match="not a database"):
        plan_warm_start(SEARCH, WarmSource("", url=f"sqlite:///{tmp_path}/no.db"), 9)


def test_a_storage_of_an_older_optuna_is_for_the_import(tmp_path: Path) -> None:
    url = make_storage(tmp_path / "old.db", "first")
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
        connection.commit()
    with pytest.raises(StorageError, match=r"another version of Optuna\nhint: .*htr-tui import sqlite:///"):
        plan_warm_start(SEARCH, WarmSource("first", url=url), 9)


@pytest.mark.parametrize(
    ("warm", "words"),
    [
        ({"study": "nobody"}, "there is no study 'nobody'"),
        ({"study": "sqlite:///nobody.db"}, "there is no file"),
        ({"study": "http://server"}, "'http' is no database"),
        ({"study": "own"}, "that is this study itself"),
        ({"study": "own", "name": "x"}, "name goes with the URL"),
    ],
)
def test_sources_that_are_not_there(tmp_path: Path, warm: dict[str, Any], words: str) -> None:
    write_journal(tmp_path / "runs" / "own", [])
    with pytest.raises(ValueError, match=words):
        locate(WarmStart.model_validate(warm), tmp_path, "own")


def test_the_best_of_several_objectives() -> None:
    points = [(1.0, 9.0), (2.0, 8.0), (1.0, 8.0), (5.0, 5.0), (0.0, 0.0), (float("inf"), 1.0), (4.0, 9.0)]
    known = [Known(n, {}, values) for n, values in enumerate(points)]
    chosen = [t.number for t in best_first(known, (1.0, -1.0), 10)]
    assert set(chosen[:2]) == {3, 4}
    assert chosen[-1] == 0
    assert 5 not in chosen
    assert best_first(known, (1.0, -1.0), 2) == best_first(known, (1.0, -1.0), 10)[:2]


@pytest.mark.parametrize(
    ("given", "usable", "strangers"),
    [
        ({"ctc.weight": 1.0}, {"ctc": True, "ctc.weight": 1.0}, []),
        ({"ctc.weight": 1.0, "ctc": False}, {"ctc": False}, []),
        ({"ctc.weight": 9.0, "ctc": "true"}, {}, ["ctc.weight", "ctc"]),
        ({"layers": "[64]", "epochs": 7}, {"layers": [64]}, ["epochs"]),
    ],
)
def test_usable_parameters(given: dict[str, Any], usable: dict[str, Any], strangers: list[str]) -> None:
    assert usable_parameters(SEARCH, given) == (usable, strangers)
