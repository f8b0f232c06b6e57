"""MLflow experiments from every kind of store: the same runs, and nothing of theirs changes."""

from __future__ import annotations

import math
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from htr_tui.errors import StorageError, UsageError
from htr_tui.importing.foreign import Choice
from htr_tui.importing.mlflow_database import DatabaseStore
from htr_tui.importing.mlflow_metric import choose_objective
from htr_tui.importing.mlflow_runs import Point, StoredRun
from htr_tui.importing.reading import open_source
from htr_tui.importing.sources import find_source
from tests.importing.mlflow_server import BEGIN_MS, serving
from tests.importing.picture import DATA, picture, read, theirs

NAME = "HPO Loss Weights"


def unpacked(folder: Path) -> Path:
    """The file store; the first releases of Python 3.11 know no filter of members."""
    with tarfile.open(DATA / "mlruns-2.9.tar.gz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(folder)
    return folder / "mlruns"


@pytest.fixture(params=["mlflow-2.9.db", "mlruns-2.9.tar.gz"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database, or a file store, alone in a folder."""
    folder = tmp_path / "theirs"
    if request.param.endswith(".db"):
        return theirs(folder, request.param)
    return unpacked(folder)


def test_a_store_of_2_9_is_read_and_left_as_it_is(store: Path) -> None:
    before = picture(store.parent)
    with open_source(find_source(str(store), store.parent)) as reader:
        assert [(found.name, found.trials) for found in reader.listed()] == [(NAME, 6)]
    study, kind = read(str(store), NAME)
    assert kind.startswith("mlflow (")
    assert [trial.state for trial in study.trials] == ["complete", "complete", "failed", "pruned", "running"]
    assert [trial.label for trial in study.trials] == [f"run-{n}" for n in range(1, 6)]
    assert study.trials[0].params == {"lr": 0.1, "layers": 1, "amp": False}
    assert study.objectives == ("val/psnr",)
    assert study.directions == ("maximize",)
    assert any("only groups 5 runs" in text for text in study.warnings)
    assert any("--metric" in text for text in study.warnings)
    first, odd, running = study.trials[0], study.trials[1], study.trials[4]
    assert first.reported == {0: 10.0, 1: 11.0, 2: 12.0, 3: 13.0}
    assert (first.values, first.final["loss"]) == ((13.0,), 0.25)
    assert (first.started, first.ended) == (BEGIN_MS / 1000 + 3600, BEGIN_MS / 1000 + 4200)
    assert [e.epoch for e in first.metrics] == [0, 1, 2, 3]
    assert first.metrics[0].values == {"val/psnr": 10.0, "loss": 1.0}
    assert math.isnan(odd.reported[2])
    assert odd.reported[3] == math.inf
    assert odd.values == (20.0,)
    assert running.last_seen == BEGIN_MS / 1000 + 5 * 3600 + 180
    assert picture(store.parent) == before


def test_the_user_chooses_metric_direction_and_value(store: Path) -> None:
    study, _ = read(str(store), NAME, Choice("loss", "minimize", "last"))
    assert study.directions == ("minimize",)
    assert study.trials[0].values == (0.25,)
    assert not any("--metric" in text for text in study.warnings)
    with pytest.raises(UsageError, match="no run has a metric") as caught:
        read(str(store), NAME, Choice("val_psnr"))
    assert "val/psnr" in str(caught.value)
    with pytest.raises(UsageError, match="no experiment"):
        read(str(store), "deleted one")


def test_a_torn_file_store_costs_only_what_is_torn(tmp_path: Path) -> None:
    root = unpacked(tmp_path)
    metric = next(root.glob("*/*/metrics/loss"))
    metric.write_text(metric.read_text() + "17092872")
    metas = [p for p in sorted(root.glob("*/*/meta.yaml")) if "lifecycle_stage: active" in p.read_text()]
    metas[0].write_text("{[broken: yaml")
    metas[1].write_text("- a\n- list\n")
    (root / "0").mkdir(exist_ok=True)
    (root / "0" / "meta.yaml").write_bytes(b"\xff\x00{" * 30)
    with open_source(find_source(str(root), tmp_path)) as reader:
        assert [found.trials for found in reader.listed()] == [4]


def test_numbers_that_no_time_or_step_can_be_are_left_out(tmp_path: Path) -> None:
    root = unpacked(tmp_path)
    meta = next(p for p in sorted(root.glob("*/*/meta.yaml")) if "status: 3" in p.read_text())
    text = re.sub("start_time: .*", "start_time: --5", meta.read_text())
    meta.write_text(re.sub("end_time: .*", f"end_time: {'9' * 400}", text))
    with open(meta.parent / "metrics" / "loss", "a") as file:
        file.write(f"{'9' * 400} 1.0 3\n1 2.0 {'9' * 30}\n1 2.0 {'9' * 5000}\n1 3.0 -7\n")
    study, _ = read(str(root), NAME, Choice("loss", "minimize"))
    trial = next(trial for trial in study.trials if trial.started is None)
    assert trial.ended is None
    assert set(trial.reported) == {0, 1, 2, 3}


def test_a_run_that_began_while_the_database_was_read_is_left_for_the_next_time(tmp_path: Path) -> None:
    path = theirs(tmp_path / "theirs", "mlflow-2.9.db")
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    found = DatabaseStore(engine, "SQLite")
    ask, told = found._rows, list[str]()

    def rows(statement: str, experiment: str | None = None) -> list[Any]:
        answer = ask(statement, experiment)
        told.append(statement)
        return answer[1:] if len(told) == 1 else answer

    found._rows = rows  # type: ignore[method-assign]
    assert len(found.runs(NAME)) == 5
    engine.dispose()


@pytest.fixture
def environment() -> Iterator[None]:
    """MLflow's client is set up by the environment; put back afterwards."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("environment")
def test_a_tracking_server_is_only_asked(tmp_path: Path) -> None:
    with serving() as (url, writes):
        with open_source(find_source(url, tmp_path)) as reader:
            assert [(s.name, s.trials) for s in reader.listed()] == [("served", 4)]
            study = reader.read("served", Choice())
        assert writes == []
    assert [trial.label for trial in study.trials] == ["run 0", "run 1", "run 2", "run 3"]
    assert study.directions == ("minimize",)
    assert study.trials[1].reported == {1: 0.45, 2: 0.25}
    assert study.trials[1].values == (0.25,)
    assert study.trials[0].params == {"lr": 0.001}


@pytest.mark.usefixtures("environment")
def test_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htr_tui.importing.mlflow_server.prepare_environment", lambda: None)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        open_source(find_source("http://u:secret@127.0.0.1:9", tmp_path)) as reader,
        pytest.raises(StorageError) as caught,
    ):
        reader.listed()
    assert "MLFLOW_TRACKING_TOKEN" in caught.value.hint
    assert "secret" not in caught.value.title
    with pytest.raises(StorageError, match="cannot be read"), open_source(find_source("http://[no", tmp_path)):
        pass


def runs(*metrics: tuple[str, ...], **tags: str) -> list[StoredRun]:
    return [
        StoredRun(str(n), "", "FINISHED", 0, 0, tags=tags, points=[Point(name, 1.0, 0, 0) for name in names])
        for n, names in enumerate(metrics)
    ]


@pytest.mark.parametrize(
    ("metrics", "metric", "direction"),
    [
        ([("loss", "val_loss", "epoch")], "val_loss", "minimize"),
        ([("train/acc", "val/acc"), ("train/acc",)], "val/acc", "maximize"),
        ([("val/psnr", "objective")], "objective", "maximize"),
        ([("a",), ("a", "b")], "a", "maximize"),
        ([("epoch", "system/cpu_utilization_percentage", "test_wer")], "test_wer", "minimize"),
        ([("epoch",)], "epoch", "maximize"),
        ([()], None, "maximize"),
    ],
)
def test_the_likeliest_metric(metrics: list[tuple[str, ...]], metric: str | None, direction: str) -> None:
    found = choose_objective(runs(*metrics), Choice())
    assert (found.metric, found.direction) == (metric, direction)


def test_a_direction_that_a_tuner_wrote_down() -> None:
    found = choose_objective(runs(("value",), direction="MINIMIZE"), Choice("value"))
    assert (found.direction, found.guess) == ("minimize", None)
