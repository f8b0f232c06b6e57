"""Optuna's storages as old releases made them: everything arrives, and nothing of theirs changes."""

from __future__ import annotations

import json
import math
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage

from htr_tui.errors import StorageError, UsageError
from htr_tui.importing import optuna_storage
from htr_tui.importing.optuna_trials import study_space
from htr_tui.importing.reading import choose_studies, open_source
from htr_tui.importing.sources import Source, find_source
from htr_tui.search.database import quiet
from tests.importing.picture import picture, read, theirs

STORAGES = ["optuna-2.10.db", "optuna-3.1.db", "optuna-4.5.db", "journal-3.1.log", "journal-5.0.log"]
HAS_NAN = STORAGES[1:]
SPACE = {
    "lr": {"float": [0.0001, 0.1], "log": True},
    "depth": {"int": [2, 8]},
    "kind": {"categorical": ["relu", "gelu", None, True]},
    "drop": {"float": [0.0, 0.5], "step": 0.25},
    "momentum": {"float": [0.5, 0.9]},
}


@pytest.mark.parametrize("name", STORAGES)
def test_every_release_is_read_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    path = theirs(tmp_path / "theirs", name)
    path.chmod(0o444)
    before = picture(path.parent)
    with open_source(find_source(str(path), tmp_path)) as reader:
        assert [(s.name, s.trials) for s in reader.listed()] == [
            ("HPO Loss Weights", 40),
            ("healthy", 13),
            ("pareto", 6),
        ]
        assert reader.kind.startswith("optuna (")
        assert choose_studies(reader, ["pareto"], "x") == ["pareto"]
        with pytest.raises(UsageError, match="no study 'helthy'") as caught:
            choose_studies(reader, ["helthy"], "x")
        assert "healthy" in caught.value.hint
    story, _ = read(str(path), "HPO Loss Weights")
    states = [trial.state for trial in story.trials]
    assert (states.count("pruned"), states.count("failed"), states.count("running")) == (28, 4, 8)
    assert {t.reported.get(1) for t in story.trials if t.state == "pruned"} == {0.0}
    assert all(t.last_seen == t.started and t.ended is None for t in story.trials if t.state == "running")
    assert picture(path.parent) == before


@pytest.mark.parametrize("name", STORAGES)
def test_parameters_values_attributes(tmp_path: Path, name: str) -> None:
    study, _ = read(str(theirs(tmp_path / "theirs", name)), "healthy")
    assert study.space == SPACE
    assert study.directions == ("minimize",)
    assert study.objectives == ("objective",)
    first, noted, last = study.trials[0], study.trials[2], study.trials[12]
    assert first.params == {"lr": 0.001, "depth": 4, "kind": "relu", "drop": 0.25}
    assert first.values == pytest.approx((0.409,))
    assert sorted(first.reported) == [0, 1, 2]
    assert {type(t.params["kind"]) for t in study.trials[:12]} == {str, bool, type(None)}
    assert "momentum" in study.trials[5].params
    assert any("\x1b[31mred" in text and len(text) <= 400 for text in noted.remarks)
    assert any(text.startswith("[/red] = {") for text in noted.remarks)
    assert study.trials[9].state == "pruned"
    assert study.trials[9].values
    assert (last.state, last.params, last.started) == ("queued", {}, None)
    if name in HAS_NAN:
        assert math.isnan(study.trials[4].reported[1])


@pytest.mark.parametrize("name", STORAGES)
def test_several_objectives_and_constraints(tmp_path: Path, name: str) -> None:
    study, _ = read(str(theirs(tmp_path / "theirs", name)), "pareto")
    assert study.directions == ("maximize", "minimize")
    assert study.objectives == ("objective 1", "objective 2")
    assert study.constraints == ("constraint 1", "constraint 2")
    for trial in study.trials:
        x = trial.params["x"]
        assert trial.values == (x, x * x)
        assert trial.constraints == pytest.approx((x - 0.8, trial.number - 4.0))


def test_the_newest_release_with_names_constraints_and_heartbeats(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with quiet():
        storage = RDBStorage(f"sqlite:///{path}", heartbeat_interval=60)
        study = optuna.create_study(storage=storage, study_name="s", directions=["maximize"])
        study.set_metric_names(["val/psnr"])
        trial = study.ask()
        trial.set_constraint("memory", 1.5)
        storage.record_heartbeat(trial._trial_id)
        storage.engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = '2030-01-01 00:00:00'")
        connection.commit()
    found, _ = read(str(path), "s")
    assert found.objectives == ("val/psnr",)
    assert found.trials[0].last_seen == 1893456000.0
    assert found.constraints == ("memory",)
    assert found.trials[0].constraints == (1.5,)


def test_ranges_that_changed_are_united() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = CategoricalDistribution([1, (2, 3)])  # type: ignore[list-item]
    spaces: list[dict[str, Any]] = [
        {"a": FloatDistribution(1e-4, 1e-2, log=True), "b": IntDistribution(1, 9, step=2), "c": CategoricalDistribution([1])},
        {"a": FloatDistribution(1e-5, 1e-3, log=True), "b": FloatDistribution(0, 1), "c": odd},
    ]  # fmt: skip
    assert study_space(spaces) == {
        "a": {"float": [1e-5, 1e-2], "log": True},
        "b": {"float": [0.0, 1.0]},
        "c": {"categorical": [1, "[2, 3]"]},
    }


@pytest.mark.parametrize(
    "tail", [b'{"op_code": 4, "worker', b"\xff\xfe garbage\n", b'{"op_code": 77, "worker_id": "w"}\n']
)
def test_a_torn_or_damaged_journal_costs_only_what_is_damaged(tmp_path: Path, tail: bytes) -> None:
    path = theirs(tmp_path / "theirs", "journal-3.1.log")
    path.write_bytes(path.read_bytes() + tail)
    before = picture(path.parent)
    study, _ = read(str(path), "healthy")
    assert len(study.trials) == 13
    assert "1 records" in study.warnings[0]
    assert picture(path.parent) == before


def test_records_that_make_no_sense_are_left_out_alone(tmp_path: Path) -> None:
    path = theirs(tmp_path / "theirs", "journal-5.0.log")
    lines = path.read_bytes().splitlines(keepends=True)
    bad = [{"op_code": 6, "worker_id": "w"}, {"op_code": 0, "worker_id": "w"}]
    path.write_bytes(b"".join([*lines[:200], *(json.dumps(r).encode() + b"\n" for r in bad), *lines[200:]]))
    story, _ = read(str(path), "HPO Loss Weights")
    assert len(story.trials) == 40
    assert "2 records" in story.warnings[0]


def test_a_storage_of_the_future_is_not_guessed_at(tmp_path: Path) -> None:
    path = theirs(tmp_path / "theirs", "optuna-4.5.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.0.0.a'")
        connection.commit()
    with pytest.raises(StorageError, match="newer Optuna") as caught:
        read(str(path), "healthy")
    assert str(path) in str(caught.value)
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize(("name", "found"), [("optuna-3.1.db", "v3.0.0.d"), ("mlflow-2.9.db", "none")])
def test_a_server_with_another_schema_is_refused_untouched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, found: str
) -> None:
    """The server's part is the same for every database; a file stands in for one."""
    path = theirs(tmp_path / "theirs", name)
    before = picture(path.parent)
    source = Source("server", f"sqlite:///{path}", "postgresql://u:***@host/db")
    with pytest.raises(StorageError, match="another schema") as caught, optuna_storage.open_optuna(source):
        pass
    assert f"found {found}" in caught.value.message
    assert "never upgraded" in caught.value.message
    assert "copy_study" in caught.value.hint
    assert picture(path.parent) == before


def test_a_server_with_the_right_schema_is_read_untouched(tmp_path: Path) -> None:
    path = theirs(tmp_path / "theirs", "optuna-4.5.db")
    before = picture(path.parent)
    source = Source("server", f"sqlite:///{path}", "shown")
    with open_source(source) as reader:
        assert [found.name for found in reader.listed()] == ["HPO Loss Weights", "healthy", "pareto"]
    assert picture(path.parent) == before


def test_a_server_without_its_driver_or_that_does_not_answer(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="no driver") as caught,
        open_source(find_source("postgresql+pg8000://u:secret@localhost:1/db", tmp_path)),
    ):
        pass
    assert "secret" not in str(caught.value)


def test_a_database_of_neither_tool(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (n)")
    with pytest.raises(UsageError, match="neither") as caught, open_source(find_source(str(path), tmp_path)):
        pass
    assert "songs" in caught.value.message


def test_a_database_of_both_tools_needs_a_choice(tmp_path: Path) -> None:
    path = theirs(tmp_path / "theirs", "optuna-4.5.db")
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for table in ("experiments", "runs"):
            connection.execute(sqlalchemy.text(f"CREATE TABLE {table} (n INTEGER)"))
    engine.dispose()
    source = find_source(str(path), tmp_path)
    with pytest.raises(UsageError, match="Optuna and of MLflow"), open_source(source):
        pass
    with open_source(source, "optuna") as reader:
        assert len(reader.listed()) == 3
