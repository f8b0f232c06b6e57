"""What must be true after a round, whatever happened in it; every broken promise is one line of text."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from htr_tui.files import iterate_records, read_json
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import TrialRecord
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.sweep import TOKEN, processes_with_token
from tests.chaos.launcher import BUSY, REFUSED_BY_DISK
from tests.chaos.stage import Stage
from tests.fakes.trainer import metrics_of

OPTUNA_STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL", "stopped": "WAITING"}
MLFLOW_STATES = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "stopped": "KILLED"}


def broken_promises(stage: Stage) -> list[str]:
    """All of them; empty for a good round."""
    fold = stage.fold()
    found = [
        *_trials(stage, fold),
        *_attempts(stage, fold),
        *_values(stage, fold),
        *_journal(stage, fold),
        *_optuna(stage, fold),
        *_processes(stage, fold),
        *_supervisors(stage),
    ]
    if stage.plan.tracking == "sqlite":
        found += _mlflow(stage, fold)
    return found


def _trials(stage: Stage, fold: StudyFold) -> Iterator[str]:
    """Each number once and gapless up to the budget, each in an end state that somebody can answer for."""
    if fold.ended_reason != "finished":
        yield f"the study did not finish: {fold.ended_reason}"
    if sorted(fold.trials) != list(range(stage.plan.trials)):
        yield f"trials {sorted(fold.trials)}, the budget is {stage.plan.trials}"
    can_prune = stage.plan.study["search"]["pruner"] != "none"
    for trial in fold.trials.values():
        if trial.state == "pruned" and can_prune:
            continue
        if trial.state == "failed" and _has_used_its_retries(stage, trial):
            continue
        if trial.state != "complete":
            yield f"trial {trial.number} is {trial.state} ({trial.category})"


def _has_used_its_retries(stage: Stage, trial: TrialRecord) -> bool:
    retries: dict[str, int] = stage.plan.study["retries"]
    allowance = retries.get(str(trial.category))
    if allowance is None:
        return False
    return sum(a.category == trial.category for a in trial.attempts) == allowance + 1


def _attempts(stage: Stage, fold: StudyFold) -> Iterator[str]:
    """Every attempt ended, none numbered twice, and every one that ran is known."""
    for trial in fold.trials.values():
        numbers = [a.number for a in trial.attempts]
        if sorted(set(numbers)) != numbers:
            yield f"trial {trial.number} has attempts {numbers}"
        for attempt in trial.attempts:
            if attempt.state == "running":
                yield f"trial {trial.number} attempt {attempt.number} has no end"
        if trial.attempts and trial.state in ("complete", "pruned") and trial.attempts[-1].state != trial.state:
            yield f"trial {trial.number} is {trial.state}, its last attempt {trial.attempts[-1].state}"
    for file in sorted(stage.paths.trials.glob("*/attempt-*/runner.json")):
        if ProcessIdentity.from_json(read_json(file)) is None:
            continue  # given up before it started
        number, attempt_number = int(file.parent.parent.name), int(file.parent.name.partition("-")[2])
        known = fold.trials.get(number)
        if known is None or all(a.number != attempt_number for a in known.attempts):
            yield f"trial {number} attempt {attempt_number} ran, and the journal does not know it"


def _values(stage: Stage, fold: StudyFold) -> Iterator[str]:
    """A complete trial is worth what its own parameters give: nothing was mixed up."""
    epochs = int(stage.plan.options[1])
    for trial in fold.trials.values():
        if trial.state != "complete":
            continue
        metrics = metrics_of(trial.params, epochs)
        expected = metrics["val/psnr"] - 100 * metrics["val/cer"]
        if trial.value is None or not math.isclose(trial.value, expected, abs_tol=1e-6):
            yield f"trial {trial.number} is worth {trial.value}, should be {expected}"


def _journal(stage: Stage, fold: StudyFold) -> Iterator[str]:
    """No line was refused, except what we cut or a full disk tore; each trial was created once, each attempt once."""
    if fold.skipped and not stage.was_cut and not stage.plan.small_disk:
        yield f"{fold.skipped} lines of the journal are refused"
    seen: set[tuple[object, ...]] = set()
    for record in iterate_records(stage.paths.journal):
        if record.get("event") in ("trial_created", "attempt_started"):
            key = (record["event"], record.get("trial"), record.get("attempt"))
            if key in seen:
                yield f"{key} stands twice in the journal"
            seen.add(key)


def _optuna(stage: Stage, fold: StudyFold) -> Iterator[str]:
    """The sampler's memory says the same."""
    try:
        with closing(sqlite3.connect(f"file:{stage.database}?mode=ro", uri=True)) as connection:
            known = _optuna_trials(connection)
    except sqlite3.Error as error:
        yield f"optuna.db cannot be read: {error}"
        return
    expected = {n: OPTUNA_STATES.get(t.state, t.state) for n, t in fold.trials.items()}
    states = {n: state for n, (state, _, _) in known.items()}
    if states != expected:
        yield f"Optuna says {states}, the journal {expected}"
        return
    for number, (_, value, params) in known.items():
        trial = fold.trials[number]
        if trial.state == "complete" and (value is None or not math.isclose(value, trial.value or math.nan)):
            yield f"Optuna's value of trial {number} is {value}, the journal's {trial.value}"
        for name in ("lr", "width"):
            if not math.isclose(params.get(name, math.nan), float(trial.params[name]), rel_tol=1e-9):
                yield f"Optuna's {name} of trial {number} is {params.get(name)}, the journal's {trial.params[name]}"


def _optuna_trials(connection: sqlite3.Connection) -> dict[int, tuple[str, float | None, dict[str, float]]]:
    found: dict[int, tuple[str, float | None, dict[str, float]]] = {}
    names = {r[0]: r[1] for r in connection.execute("SELECT study_id, study_name FROM studies")}
    for trial_id, study_id, number, state in connection.execute(
        "SELECT trial_id, study_id, number, state FROM trials ORDER BY number"
    ):
        if names.get(study_id) != "fake":
            continue
        value = connection.execute("SELECT value FROM trial_values WHERE trial_id = ?", (trial_id,)).fetchone()
        params = connection.execute("SELECT param_name, param_value FROM trial_params WHERE trial_id = ?", (trial_id,))
        found[number] = (state, None if value is None else value[0], dict(params))
    return found


def _processes(stage: Stage, fold: StudyFold) -> Iterator[str]:
    """Nothing of ours is left, and no stranger was touched."""
    found = stage.census()
    for who in ("runners", "trainers", "grandchildren", "mirrors", "supervisors"):
        if pids := getattr(found, who):
            yield f"left over: {who} {pids}"
    if stage.supervisors():
        yield f"left over: supervisors {stage.supervisors()}"
    for file in stage.paths.trials.glob("*/attempt-*/command.json"):
        token = ((read_json(file) or {}).get("env") or {}).get(TOKEN)
        if token and (pids := processes_with_token(str(token))):
            yield f"left over by their token: {pids}"
    for stranger in stage.strangers:
        if stranger.poll() is not None:
            yield f"a stranger with a reused pid was ended: {stranger.returncode}"


def _supervisors(stage: Stage) -> Iterator[str]:
    """None broke by itself."""
    log = stage.study.supervisor_log()
    refused = log.count("is already supervised")
    for item in stage.launcher.launched:
        if item.status in (0, -9, BUSY):
            continue
        if item.status == REFUSED_BY_DISK and stage.plan.small_disk:
            continue
        if item.status == 1 and stage.plan.real_start and refused:
            continue
        yield f"supervisor {item.pid} ended with status {item.status}"


def _mlflow(stage: Stage, fold: StudyFold) -> Iterator[str]:
    """Every trial has one run that says what the journal says."""
    with closing(sqlite3.connect(f"file:{stage.base}/runs/mlflow.db?mode=ro", uri=True)) as connection:
        runs = _runs(connection)
    for kind, expected in (("study", 1), ("trial", len(fold.trials))):
        count = sum(run.tags.get("htr_tui.kind") == kind for run in runs)
        if count != expected:
            yield f"MLflow has {count} runs of the kind {kind}, not {expected}"
    for run in runs:
        if run.tags.get("htr_tui.kind") != "trial":
            continue
        trial = fold.trials[int(run.tags["htr_tui.trial"])]
        if run.status != MLFLOW_STATES[trial.state]:
            yield f"MLflow calls trial {trial.number} {run.status}, it is {trial.state}"
        if not math.isclose(float(run.params.get("lr", "nan")), trial.params["lr"]):
            yield f"MLflow's lr of trial {trial.number} is {run.params.get('lr')}"
        value = run.metrics.get("objective_value", math.nan)
        if trial.state == "complete" and not math.isclose(value, trial.value or math.nan):
            yield f"MLflow's value of trial {trial.number} is {value}"


@dataclass(frozen=True, slots=True)
class MlflowRun:
    """One of MLflow's runs."""

    status: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]


def _runs(connection: sqlite3.Connection) -> list[MlflowRun]:
    found = []
    for run_id, status in connection.execute(
        "SELECT run_uuid, status FROM runs WHERE lifecycle_stage = 'active'"
    ).fetchall():
        tables = [
            dict(connection.execute(f"SELECT key, value FROM {table} WHERE run_uuid = ?", (run_id,)).fetchall())
            for table in ("tags", "params", "latest_metrics")
        ]
        found.append(MlflowRun(status, *tables))
    return found


def journal_text(path: Path) -> str:
    """For a story of what went wrong."""
    return "\n".join(json.dumps(record) for record in iterate_records(path))
