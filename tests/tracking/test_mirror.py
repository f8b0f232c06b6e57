from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from htr_tui.files import write_json
from htr_tui.journal.fold import JournalReader
from htr_tui.journal.paths import StudyPaths
from htr_tui.metrics.epochs import EpochRule
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.tracking import client, mirror
from htr_tui.tracking.client import KIND, TRIAL, MlflowStore, RunGone
from htr_tui.tracking.mirror import MirrorProcess, Phase, phase_of
from htr_tui.tracking.plan import Point
from htr_tui.tracking.read_back import MlflowSource, ReadOptions
from htr_tui.tracking.state import StudyMemory, TrialMemory, tracking_status
from htr_tui.tracking.sync import StudyMirror
from tests.fakes.studies import build_study
from tests.fakes.tracking_store import FakeStore
from tests.fakes.waiting import wait_for
from tests.tracking.story import Story

# MLflow uses what SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh MLflow database; making one takes seconds, so that tests copy it."""
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in client.ENVIRONMENT.items():
            patch.setenv(name, value)
        MlflowStore(f"sqlite:///{path}").experiment("first")
    return path


@pytest.fixture
def uri(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in client.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # where MLflow wants to keep artifacts
    path = tmp_path / "mlflow.db"
    shutil.copy(empty_database, path)
    return f"sqlite:///{path}"


def runs_of(uri: str) -> dict[tuple[str, str], Any]:
    """What MLflow's own client finds, by kind and trial; none may be there twice."""
    from mlflow import MlflowClient

    mlflow = MlflowClient(tracking_uri=uri)
    ids = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    found: dict[tuple[str, str], Any] = {}
    for run in mlflow.search_runs(ids, max_results=5000):
        place = (run.data.tags[KIND], run.data.tags.get(TRIAL, ""))
        assert place not in found
        found[place] = run
    return found


def history(uri: str, run_id: str, name: str) -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    return [(m.step, m.value) for m in MlflowClient(tracking_uri=uri).get_metric_history(run_id, name)]


def start_mirror(study: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "htr_tui.tracking.mirror", str(study), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_the_process_mirrors_a_whole_study_and_ends(
    uri: str, tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    paths = build_study(
        tmp_path, "study", trials=8, epochs=3, running=0, failed=1, pruned=2, stopped=1, full_attempts=8,
        tracking_uri=uri,
    )  # fmt: skip
    process = start_mirror(paths.root, "--ahead", "2")
    processes.append(process)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, b"", b"")
    assert tracking_status(paths).drained
    reader = JournalReader(paths.journal)
    reader.refresh()
    runs = runs_of(uri)
    assert len(runs) == 8 + 2
    states = {"complete": "FINISHED", "failed": "FAILED", "pruned": "KILLED", "stopped": "KILLED"}
    for number, trial in reader.fold.trials.items():
        run = runs["trial", str(number)]
        assert (run.info.run_name, run.info.status) == (f"trial-{number:04d}", states[trial.state])
        assert run.info.end_time is not None
        assert run.data.params == {name: str(value) for name, value in trial.params.items()}
        assert dict(history(uri, run.info.run_id, "objective")) == trial.reported
        assert sorted(trial.reported) == [step for step, _ in history(uri, run.info.run_id, "val/psnr")]
        assert run.data.metrics.get("objective_value") == trial.value
    best = reader.fold.best()
    assert best is not None
    assert runs["best", str(best.number)].data.metrics["objective_value"] == best.value
    assert runs["study", ""].info.status == "KILLED"
    assert not (Path("/") / "mlruns").exists()


def test_replay_into_mlflow_makes_no_duplicates(uri: str, tmp_path: Path) -> None:
    paths = build_study(tmp_path, "study", trials=4, epochs=3, running=0, full_attempts=4, tracking_uri=uri)
    assert StudyMirror(paths, lambda: MlflowStore(uri)).sync()
    before = {place: (run.info.run_id, run.data.metrics) for place, run in runs_of(uri).items()}
    points = {run_id: history(uri, run_id, "val/psnr") for run_id, _ in before.values()}
    for number in range(4):
        memory = TrialMemory.load(paths, number)
        TrialMemory(run_id=memory.run_id, parent_run_id=memory.parent_run_id).save(paths, number)
    assert StudyMirror(paths, lambda: MlflowStore(uri)).sync()
    assert {place: (run.info.run_id, run.data.metrics) for place, run in runs_of(uri).items()} == before
    assert {run_id: history(uri, run_id, "val/psnr") for run_id in points} == points


def test_mlflow_takes_hostile_names_and_values(uri: str, tmp_path: Path) -> None:
    story = Story(tmp_path / "study", uri=uri)
    story.supervise()
    story.create(0, **{"../etc": "x" * 9000, "a@b": "\ud800", "": None, "/": "[/bold]"})
    story.start(0)
    names = ["a@b", "a#b", "/x", "..", "a\nb", "é" * 150, "ok", "n" * 200]
    story.event(0, 1, kind="metrics", epoch=1, values=dict.fromkeys(names, 1.0))
    story.event(0, 1, kind="metrics", epoch=2**53, values={"ok": "nan", "inf": "inf", "-inf": "-inf", "big": 1e308})
    story.end(0, 1, "complete", float("inf"))
    story.finish()
    assert StudyMirror(story.paths, lambda: MlflowStore(uri)).sync()
    assert tracking_status(story.paths).refused == 0
    run = runs_of(uri)["trial", "0"]
    assert len(run.data.params) == 4
    assert len(run.data.metrics) == len(names) + 3 + 1
    assert run.info.status == "FINISHED"


def test_a_deleted_run_is_noticed_and_a_deleted_experiment_restored(uri: str) -> None:
    store = MlflowStore(uri)
    experiment = store.experiment("e")
    run_id = store.create_run(experiment, "r", {client.KEY: "k", KIND: "trial", TRIAL: "0"}, 1)
    assert [run.run_id for run in store.study_runs(experiment, "k")] == [run_id]
    store.delete_run(run_id)
    store.delete_run(run_id)
    store.delete_run("0" * 32)
    assert store.study_runs(experiment, "k") == []
    with pytest.raises(client.RunGone):
        store.log(run_id, [Point("a", 1.0, 1, 1)], {}, {})
    with pytest.raises(client.RunGone):
        store.set_status("0" * 32, "FINISHED", 1)
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=uri).delete_experiment(experiment)
    assert store.experiment("e") == experiment
    other = store.create_run(experiment, "r", {client.KEY: "k", KIND: "trial", TRIAL: "0"}, 1)
    store.log(other, [], {"p": "1"}, {})
    with pytest.raises(client.Refused):
        store.log(other, [], {"p": "2"}, {})
    store.log(other, [Point("m", 1.0 * i, i, i) for i in range(2500)], {f"p{i}": "x" for i in range(250)}, {})
    assert len(history(uri, other, "m")) == 2500


def test_an_unreachable_server_is_told_of_and_tried_for_ever(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    story = Story(tmp_path / "study", uri="http://127.0.0.1:1")
    story.supervise()
    story.whole(0)
    process = start_mirror(story.paths.root)
    processes.append(process)
    first = wait_for(lambda: tracking_status(story.paths).updated, 120, "an error in tracking.json")
    error = tracking_status(story.paths).error
    assert error is not None
    assert "127.0.0.1" in error.message
    wait_for(lambda: tracking_status(story.paths).updated != first, 60, "another try")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err.count(b"\n") == 1
    assert b"trying again" in err


# -- the process's decisions, without MLflow -------------------------------------------------------------------------


class FakeMirrorProcess(MirrorProcess):
    """Tells a fake store."""

    def __init__(self, story: Story, store: FakeStore) -> None:
        super().__init__(story.paths, 1)
        self.fake = store

    def _open_store(self) -> FakeStore:
        return self.fake


def fold_of(story: Story) -> JournalReader:
    reader = JournalReader(story.paths.journal)
    reader.refresh()
    return reader


def test_a_vanished_supervisor_ends_the_mirror_with_nothing_left_running(tmp_path: Path) -> None:
    story, store = Story(tmp_path / "study"), FakeStore()
    story.supervise(alive=False)
    story.whole(0)
    story.create(1)
    story.start(1)
    story.create(2)
    assert FakeMirrorProcess(story, store).run() == 0
    assert {run.name: run.status for run in store.runs.values() if not run.is_deleted} == {
        "study": "KILLED",
        "HPO_Best_Result": "FINISHED",
        "trial-0000": "FINISHED",
        "trial-0001": "KILLED",
    }


def test_an_untracked_study_needs_no_mirror(tmp_path: Path) -> None:
    story, store = Story(tmp_path / "study", uri=None), FakeStore()
    story.supervise()
    assert FakeMirrorProcess(story, store).run() == 0
    assert store.calls == 0
    assert not story.paths.tracking.exists()


def test_a_living_runner_keeps_a_study_running(tmp_path: Path) -> None:
    story = Story(tmp_path / "study")
    story.supervise(alive=False)
    story.create(0)
    story.start(0)
    runner = story.paths.attempt(0, 1).runner
    assert phase_of(story.paths, fold_of(story).fold, is_supervised=False) is Phase.INTERRUPTED
    assert phase_of(story.paths, fold_of(story).fold, is_supervised=True) is Phase.RUNNING
    write_json(runner, ProcessIdentity.current().as_json())
    assert phase_of(story.paths, fold_of(story).fold, is_supervised=False) is Phase.RUNNING
    story.finish("failed")
    assert phase_of(story.paths, fold_of(story).fold, is_supervised=False) is Phase.RUNNING
    write_json(runner, {**ProcessIdentity.current().as_json(), "ticks": 1})
    assert phase_of(story.paths, fold_of(story).fold, is_supervised=True) is Phase.ENDED


def test_one_mirror_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(tmp_path / "study")
    monkeypatch.setattr(mirror, "LOCK_WAIT_S", 0.0)
    held = mirror._lock(story.paths.root / "tracking.lock")
    assert held is not None
    assert mirror.main([str(story.paths.root)]) == 0  # would follow the study, did it not end at once
    os.close(held)
    again = mirror._lock(story.paths.root / "tracking.lock")
    assert again is not None
    os.close(again)


def test_a_full_disk_does_not_end_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story, store = Story(tmp_path / "study"), FakeStore()
    story.supervise()
    story.whole(0)
    story.finish()
    save = StudyMemory.save
    failures: list[StudyMemory] = []

    def fail_once(self: StudyMemory, paths: StudyPaths) -> None:
        if not failures:
            failures.append(self)
            raise OSError(28, "No space left on device")
        save(self, paths)

    monkeypatch.setattr(StudyMemory, "save", fail_once)
    assert FakeMirrorProcess(story, store).run() == 0
    assert len(failures) == 1
    assert tracking_status(story.paths).drained
    assert len(store.active("study")) == 1


def test_mlflow_gives_back_what_a_trainer_logged(uri: str) -> None:
    store = MlflowStore(uri)
    run_id = store.create_run(store.experiment("theirs"), "run", {}, 0)
    values = {1: 0.5, 2: math.nan, 3: math.inf, 4: 0.5}
    store.log(run_id, [Point("val/loss", value, 1000 + step, step) for step, value in values.items()], {}, {})
    assert store.latest(run_id) == {"val/loss": Point("val/loss", 0.5, 1004, 4)}
    reading = MlflowSource(store, run_id, ReadOptions(EpochRule("step"))).read(time.monotonic() + 60, final=True)
    assert repr({o.epoch: o.values["val/loss"] for o in reading.found}) == repr(values)
    with pytest.raises(RunGone):
        store.latest("0" * 32)
