"""Whole studies under a real detached supervisor, with the fake trainer: the promises of the README, one test each."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from htr_tui.files import iterate_records, read_json
from htr_tui.journal.commands import send_command
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.presence import read_presence
from htr_tui.tracking.state import tracking_status
from tests.fakes.launching import FakeStudy, fake_study
from tests.fakes.waiting import wait_for

optuna.logging.set_verbosity(optuna.logging.ERROR)


def optuna_trials(study: FakeStudy) -> list[optuna.trial.FrozenTrial]:
    """The study as Optuna's own client sees it."""
    return optuna.load_study(study_name="fake", storage=f"sqlite:///{study.base}/runs/optuna.db").get_trials()


def wait_for_epoch(study: FakeStudy, trial: int, epoch: int) -> None:
    def reached() -> bool:
        known = study.fold().trials.get(trial)
        return known is not None and known.epoch is not None and known.epoch >= epoch

    wait_for(reached, 60, study.supervisor_log())


def runner_of(paths: StudyPaths, trial: int, attempt: int = 1) -> ProcessIdentity:
    identity = ProcessIdentity.from_json(read_json(paths.attempt(trial, attempt).runner))
    assert identity is not None
    return identity


def supervisor_pid(study: FakeStudy) -> int:
    presence = read_presence(study.paths.supervisor)
    assert presence is not None
    return presence.pid


def kill_supervisor(study: FakeStudy) -> None:
    pid = supervisor_pid(study)
    os.kill(pid, signal.SIGKILL)

    def is_gone() -> bool:
        presence = read_presence(study.paths.supervisor)
        return presence is not None and not presence.alive

    wait_for(is_gone)


def assert_sound(study: FakeStudy, total: int) -> None:
    """Each trial once and gapless, in an end state; Optuna agrees; no journal line was refused."""
    fold = study.fold()
    assert sorted(fold.trials) == list(range(total))
    assert fold.skipped == 0
    states = {t.number: t.state for t in fold.trials.values()}
    assert set(states.values()) <= {"complete", "pruned", "failed", "stopped"}
    names = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL", "stopped": "WAITING"}
    known = optuna_trials(study)
    assert [t.number for t in known] == list(range(total))
    assert {t.number: t.state.name for t in known} == {n: names[s] for n, s in states.items()}
    for trial in known:
        assert trial.params == pytest.approx(fold.trials[trial.number].params)
        if trial.state.name == "COMPLETE":
            assert trial.value == pytest.approx(fold.trials[trial.number].value)


def test_a_study_runs_to_its_budget(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2")
    started = study.json("run", str(study.file))
    assert started["study"] == "fake"
    fold = study.wait_until_ended()
    assert fold.ended_reason == "finished"
    assert fold.counts["complete"] == 3
    assert_sound(study, 3)
    status = study.json("status")["studies"][0]
    assert (status["state"], status["trials"]["complete"], status["budget"]) == ("finished", 3, 3)
    assert status["best"]["value"] == max(t.value for t in fold.trials.values() if t.value is not None)
    shown = study.json("show", "fake", "1")
    assert [m["epoch"] for m in shown["metrics"]] == [1, 2]
    assert shown["attempts"][0]["exit_code"] == 0
    assert "done" in study.cli("logs", "fake", "1").stdout


def test_stop_and_continue_from_the_checkpoint(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "4", gate=4, budget={"trials": 3})
    study.open_gate(2)
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 2)
    stopped = study.json("stop", "fake")
    assert stopped["stopped"] == [0]
    assert study.json("status")["studies"][0]["state"] == "stopped"
    assert [t.state.name for t in optuna_trials(study)] == ["WAITING"]
    study.open_gate(100)
    study.cli("run", "fake")
    fold = study.wait_until_ended()
    assert_sound(study, 3)
    continued = fold.trials[0]
    assert [(a.number, a.state, a.reason) for a in continued.attempts] == [
        (1, "stopped", "first"),
        (2, "complete", "continue"),
    ]
    assert continued.attempts[1].resume_from == 1
    second = [r["epoch"] for r in iterate_records(study.paths.attempt(0, 2).events) if r["kind"] == "metrics"]
    assert second == [3, 4]
    assert [m["epoch"] for m in study.json("show", "fake", "0")["metrics"]] == [1, 2, 3, 4]
    assert all(len(t.attempts) == 1 for n, t in fold.trials.items() if n != 0)


def test_out_of_memory_is_retried_with_half_the_batch_and_double_accumulation(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "3", "--oom-batch", "8", retries={"gpu_oom": 2}, budget={"trials": 1})
    study.cli("run", str(study.file))
    fold = study.wait_until_ended()
    first, second = fold.trials[0].attempts
    assert (first.state, first.category) == ("failed", "gpu_oom")
    assert second.set == {"train.batch": 4, "train.accumulation": 2}
    assert second.fix == "halve_batch"
    assert fold.trials[0].state == "complete"
    shown = study.json("show", "fake", "0")
    assert shown["attempts"][0]["finding"]["category"] == "gpu_oom"
    assert shown["attempts"][0]["finding"]["evidence"]
    start = next(r for r in iterate_records(study.paths.attempt(0, 2).events) if r["kind"] == "start")
    assert start["params"]["train.batch"] == 4
    assert_sound(study, 1)


def test_the_user_retries_a_failed_trial_of_a_finished_study(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2", "--oom-batch", "8", budget={"trials": 2})
    study.cli("run", str(study.file))
    assert study.wait_until_ended().counts["failed"] == 2
    study.cli("retry", "fake", "1")
    wait_for(lambda: study.fold().trials[1].state == "complete", 60)
    fold = study.wait_until_ended()
    assert fold.trials[1].attempts[-1].fix == "halve_batch"
    assert_sound(study, 2)
    assert study.cli("retry", "fake", "1", expect=2).stderr.count("complete")


def test_a_killed_supervisor_loses_nothing_and_its_trainer_is_adopted(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "3", gate=1, budget={"trials": 2})
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 1)
    kill_supervisor(study)
    assert study.json("status")["studies"][0]["state"] == "interrupted"
    assert runner_of(study.paths, 0).is_alive()
    study.open_gate(100)
    study.cli("run", "fake")
    fold = study.wait_until_ended()
    assert len(fold.trials[0].attempts) == 1
    assert_sound(study, 2)


def test_an_exit_nobody_watched_is_read_later(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2", gate=1, budget={"trials": 1})
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 1)
    kill_supervisor(study)
    runner = runner_of(study.paths, 0)
    study.open_gate(100)
    wait_for(lambda: not runner.is_alive())
    study.cli("run", "fake")
    fold = study.wait_until_ended()
    assert fold.trials[0].state == "complete"
    assert len(fold.trials[0].attempts) == 1
    assert_sound(study, 1)


def test_a_killed_runner_is_a_lost_attempt_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "3", gate=2, budget={"trials": 1})
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 2)
    assert runner_of(study.paths, 0).send(signal.SIGKILL)
    study.open_gate(100)
    fold = study.wait_until_ended()
    assert [a.state for a in fold.trials[0].attempts] == ["lost", "complete"]
    assert fold.trials[0].attempts[1].resume_from == 1
    assert_sound(study, 1)


def test_a_killed_trainer_is_failed_with_its_signal(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2", "--signal", "9", "--only-trial", "0", budget={"trials": 2})
    study.cli("run", str(study.file))
    fold = study.wait_until_ended()
    assert fold.trials[0].state == "failed"
    assert fold.trials[0].attempts[0].signal == 9
    assert fold.trials[0].category in ("crash", "host_oom")
    assert fold.trials[1].state == "complete"
    assert_sound(study, 2)


def test_stop_now_ends_a_trainer_that_ignores_everything(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "3", "--ignore-term", "--grandchild", gate=1, budget={"trials": 1})
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 1)
    assert study.json("stop", "fake", "--now")["stopped"] == [0]
    assert not runner_of(study.paths, 0).is_alive()
    assert_sound(study, 1)


def test_stop_without_a_supervisor_stops_the_orphaned_trainer(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "3", gate=1, budget={"trials": 1})
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 1)
    kill_supervisor(study)
    assert study.json("stop", "fake")["stopped"] == [0]
    assert not runner_of(study.paths, 0).is_alive()


def test_a_second_supervisor_is_refused_by_name(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2", gate=1, budget={"trials": 1})
    study.cli("run", str(study.file))
    refused = study.cli("run", "fake", expect=1)
    assert f"pid {supervisor_pid(study)} on {os.uname().nodename}" in refused.stderr
    study.cli("stop", "fake", "--now")


def test_a_changed_study_file_changes_nothing_and_is_told(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "1", budget={"trials": 1})
    study.cli("run", str(study.file))
    study.wait_until_ended()
    study.file.write_text(study.file.read_text().replace("trials: 1", "trials: 2"))
    assert "has changed since" in study.cli("run", str(study.file)).stdout
    assert len(study.wait_until_ended().trials) == 1
    study.cli("run", "fake", "--trials", "2")
    wait_for(lambda: study.fold().counts["complete"] == 2, 60)
    study.wait_until_ended()
    assert_sound(study, 2)


def test_the_pruner_prunes_and_nothing_else_does(tmp_path: Path) -> None:
    search: dict[str, Any] = {
        "sampler": {"random": {"seed": 3}},
        "pruner": {"median": {"n_startup_trials": 1, "n_warmup_steps": 0}},
        "space": {"lr": {"float": [0.001, 0.1], "log": True}},
    }
    study = fake_study(tmp_path, "--epochs", "4", "--pace", "0.2", search=search, budget={"trials": 6})
    study.cli("run", str(study.file))
    fold = study.wait_until_ended()
    assert fold.counts["pruned"] >= 1
    assert fold.counts["pruned"] + fold.counts["complete"] == 6
    assert_sound(study, 6)


def test_a_locked_optuna_storage_delays_nothing_for_good(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2", gate=1, budget={"trials": 2})
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 1)
    lock = sqlite3.connect(tmp_path / "runs" / "optuna.db", timeout=30, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    study.open_gate(100)
    wait_for(lambda: study.fold().trials[0].attempts[0].state == "complete", 60, study.supervisor_log())
    wait_for(lambda: any("does not answer" in n.message for n in study.fold().notes), 60)
    lock.execute("ROLLBACK")
    lock.close()
    study.wait_until_ended()
    assert_sound(study, 2)


def test_a_deleted_optuna_storage_is_rebuilt_from_the_journal(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2", budget={"trials": 2})
    study.cli("run", str(study.file))
    study.wait_until_ended()
    for file in (tmp_path / "runs").glob("optuna.db*"):
        file.unlink()
    study.cli("run", "fake", "--trials", "3")
    wait_for(lambda: study.fold().counts["complete"] == 3, 60)
    study.wait_until_ended()
    assert_sound(study, 3)


def test_garbage_everywhere_is_counted_not_fatal(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2", "--garbage", "--binary", gate=1, budget={"trials": 1})
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 1)
    (study.paths.commands / "0.json").write_bytes(b"\xff not json")
    (study.paths.commands / "1.json").write_text('{"command": "fly"}')
    wait_for(lambda: sum("command" in n.message for n in study.fold().notes) >= 2)
    kill_supervisor(study)
    with open(study.paths.journal, "ab") as journal:
        journal.write(b'{"t": 1, "event": "attempt_repor')
    study.open_gate(100)
    study.cli("run", "fake")
    fold = study.wait_until_ended()
    assert fold.counts["complete"] == 1
    assert any("lines of its events could not be read" in n.message and n.trial == 0 for n in fold.notes)
    assert "\x1b" not in study.cli("logs", "fake", "0").stdout


def test_parallel_slots(tmp_path: Path) -> None:
    study = fake_study(
        tmp_path, "--epochs", "2", gate=1, budget={"trials": 4}, resources={"gpus": "none", "parallel": 2}
    )
    study.cli("run", str(study.file))
    wait_for(lambda: study.fold().counts["running"] == 2, 60)
    assert {a.slot for t in study.fold().trials.values() for a in t.attempts} == {0, 1}
    command = read_json(study.paths.attempt(0, 1).command)
    assert command is not None
    assert command["env"]["CUDA_VISIBLE_DEVICES"] == "-1"
    study.open_gate(100)
    study.wait_until_ended()
    assert_sound(study, 4)


def test_metrics_that_never_come_fail_the_trial_by_name(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "1", budget={"trials": 1}, objective={"maximize": "val/psrn"})
    study.cli("run", str(study.file))
    fold = study.wait_until_ended()
    attempt = fold.trials[0].attempts[0]
    assert (fold.trials[0].state, attempt.category) == ("failed", "bad_config")
    assert "val/psrn" in (attempt.title or "")


def test_a_nan_objective_is_a_failure(tmp_path: Path) -> None:
    study = fake_study(
        tmp_path, "--epochs", "2", "--nan-at", "2", budget={"trials": 1}, objective={"minimize": "loss/total"}
    )
    study.cli("run", str(study.file))
    fold = study.wait_until_ended()
    assert (fold.trials[0].state, fold.trials[0].category) == ("failed", "nan_loss")
    assert_sound(study, 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB at `runs`."""
    disk = tmp_path / "runs"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk needs root and mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    retries = {"disk_full": 5, "crash": 5}
    study = fake_study(
        tmp_path,
        "--epochs",
        "2",
        gate=1,
        budget={"trials": 2},
        retries=retries,
        storage=f"sqlite:///{tmp_path}/optuna.db",
    )
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 1)
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(b"x" * (8 << 20))
    study.open_gate(100)
    wait_for(lambda: "No space left" in study.supervisor_log() or study.paths.attempt(0, 1).exit.exists(), 60)
    filler.unlink()
    fold = study.wait_until_ended()
    assert fold.counts["complete"] == 2
    assert sorted(fold.trials) == [0, 1]


def test_a_study_of_the_same_name_in_the_storage_is_refused_not_taken(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "1", budget={"trials": 1})
    study.cli("run", str(study.file))
    study.wait_until_ended()
    shutil.rmtree(study.paths.root)
    refused = study.cli("run", str(study.file), expect=1)
    assert "this journal does not know" in refused.stderr
    assert "optuna delete-study" in refused.stderr
    assert len(optuna_trials(study)) == 1


def mirrors_of(study: FakeStudy) -> list[int]:
    """Pids of the study's MLflow mirrors."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"htr_tui.tracking.mirror" in words and str(study.paths.root).encode() in words:
            found.append(int(folder.name))
    return found


def test_an_unreachable_mlflow_neither_delays_nor_fails_a_trial(tmp_path: Path) -> None:
    tracking = {"uri": "http://127.0.0.1:9", "experiment": "nowhere"}
    study = fake_study(tmp_path, "--epochs", "2", gate=1, budget={"trials": 2}, tracking=tracking)
    study.cli("run", str(study.file))
    try:
        wait_for_epoch(study, 0, 1)
        wait_for(lambda: tracking_status(study.paths).error is not None, 90)
        study.open_gate(100)
        fold = study.wait_until_ended()
        assert fold.counts["complete"] == 2
        assert len(mirrors_of(study)) == 1  # it outlives the supervisor to try again
        assert not tracking_status(study.paths).drained
    finally:
        for pid in mirrors_of(study):
            os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not mirrors_of(study))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::sqlalchemy.exc.SADeprecationWarning")
def test_mlflow_shows_what_the_journal_tells(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    study = fake_study(tmp_path, "--epochs", "2", budget={"trials": 2}, tracking={"experiment": "exp"})
    study.cli("run", str(study.file))
    fold = study.wait_until_ended()
    wait_for(lambda: tracking_status(study.paths).drained, 90)
    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    experiment = client.get_experiment_by_name("exp")
    assert experiment is not None
    runs = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"fake", "HPO_Best_Result", "trial-0000", "trial-0001"}
    assert {r.info.status for r in runs.values()} == {"FINISHED"}
    for number, trial in fold.trials.items():
        run = runs[f"trial-{number:04d}"]
        assert float(run.data.params["lr"]) == pytest.approx(trial.params["lr"])
        assert run.data.metrics["objective_value"] == pytest.approx(trial.value)
        history = client.get_metric_history(run.info.run_id, "val/psnr")
        told = [m["values"]["val/psnr"] for m in study.json("show", "fake", str(number))["metrics"]]
        assert [m.value for m in sorted(history, key=lambda m: m.step)] == pytest.approx(told)
    wait_for(lambda: not mirrors_of(study))


def test_a_stop_that_a_dead_supervisor_never_took_does_not_stop_the_next(tmp_path: Path) -> None:
    study = fake_study(tmp_path, "--epochs", "2", gate=1, budget={"trials": 1})
    study.cli("run", str(study.file))
    wait_for_epoch(study, 0, 1)
    kill_supervisor(study)
    send_command(study.paths, "stop", now=False)
    study.open_gate(100)
    study.cli("run", "fake")
    assert study.wait_until_ended().ended_reason == "finished"
