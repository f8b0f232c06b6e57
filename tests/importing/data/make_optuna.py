"""Makes the fixtures, with the Optuna release of the interpreter that runs it: `python make_optuna.py FOLDER`.

Written for releases from 2.10 on, so it uses only what all of them have. Times are set afterwards: they are the same in
every run.
"""

from __future__ import annotations

import datetime
import json
import sqlite3
import sys
import warnings
from pathlib import Path
from typing import Any

import optuna

BEGIN = datetime.datetime(2024, 3, 1, 10, 0, 0)
HOSTILE = "\x1b[31mred\x1b[0m [/bold] <b>" + "x" * 1200


def story(storage: Any) -> None:
    """The 40-trial study that ran for days: 28 pruned at the first step, 4 failed, 8 still RUNNING."""
    study = optuna.create_study(
        storage=storage,
        study_name="HPO Loss Weights",
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=7, n_startup_trials=50),
    )
    for number in range(40):
        trial = study.ask()
        trial.suggest_float("loss.pixel", 10, 150)
        trial.suggest_float("lr", 1e-5, 1e-2, log=True)
        trial.suggest_categorical("optimizer", ["adam", "sgd"])
        if number % 5 == 4:
            continue  # for ever RUNNING
        if number % 10 == 3:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        trial.report(0.0, 1)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)


def healthy(storage: Any) -> None:
    """Every kind of parameter, state and attribute, and text that wants to be obeyed."""
    study = optuna.create_study(
        storage=storage, study_name="healthy", sampler=optuna.samplers.RandomSampler(seed=3), direction="minimize"
    )
    study.enqueue_trial({"lr": 0.001, "depth": 4, "kind": "relu", "drop": 0.25})
    for number in range(12):
        trial = study.ask()
        rate = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        depth = trial.suggest_int("depth", 2, 8)
        trial.suggest_categorical("kind", ["relu", "gelu", None, True])
        trial.suggest_float("drop", 0.0, 0.5, step=0.25)
        if number == 5:
            trial.suggest_float("momentum", 0.5, 0.9)
        for step in range(3):
            bad = number == 4 and step == 1 and not optuna.__version__.startswith("2.")  # older ones cannot hold a NaN
            trial.report(float("nan") if bad else abs(rate - 0.01) + depth / 10 + 1 / (step + 1), step)
        if number == 2:
            trial.set_user_attr("note", HOSTILE)
            trial.set_user_attr("[/red]", {"deep": [1, 2, {"x": None}]})
        if number == 9:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, abs(rate - 0.01) + depth / 10)
    study.enqueue_trial({"lr": 0.002})


def pareto(storage: Any) -> None:
    """Two objectives and a constraint."""
    study = optuna.create_study(
        storage=storage,
        study_name="pareto",
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.RandomSampler(seed=1),
    )
    for number in range(6):
        trial = study.ask()
        x = trial.suggest_float("x", 0.0, 1.0)
        study._storage.set_trial_system_attr(trial._trial_id, "constraints", (x - 0.8, float(number - 4)))
        study.tell(trial, [x, x * x])


def fix_database(path: Path) -> None:
    """The same times in every run, and small pages."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT trial_id, datetime_start, datetime_complete FROM trials").fetchall()
    for trial_id, start, complete in rows:
        begin = BEGIN + datetime.timedelta(minutes=10 * trial_id)
        texts = [t.strftime("%Y-%m-%d %H:%M:%S.%f") for t in (begin, begin + datetime.timedelta(minutes=7))]
        connection.execute(
            "UPDATE trials SET datetime_start = ?, datetime_complete = ? WHERE trial_id = ?",
            (texts[0] if start else None, texts[1] if complete else None, trial_id),
        )
    connection.commit()
    connection.execute("PRAGMA page_size = 512")
    connection.execute("VACUUM")
    connection.close()


def fix_journal(path: Path) -> None:
    """The same times and worker names in every run."""
    lines: list[str] = []
    minutes = 0
    workers: dict[str, str] = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        record["worker_id"] = workers.setdefault(record["worker_id"], f"worker-{len(workers)}")
        for key in ("datetime_start", "datetime_complete"):
            if record.get(key):
                minutes += 5
                record[key] = (BEGIN + datetime.timedelta(minutes=minutes)).isoformat() + "+00:00"
        lines.append(json.dumps(record, separators=(",", ":")))
    path.write_text("\n".join(lines) + "\n")


def main(folder: Path) -> None:
    """All files of this release."""
    release = tuple(int(part) for part in optuna.__version__.split(".")[:2])
    database = folder / f"optuna-{release[0]}.{release[1]}.db"
    database.unlink(missing_ok=True)
    for make in (story, healthy, pareto):
        make(f"sqlite:///{database}")
    fix_database(database)
    if release < (3, 1):
        return
    log = folder / f"journal-{release[0]}.{release[1]}.log"
    log.unlink(missing_ok=True)
    storages: Any = optuna.storages
    backend = storages.journal.JournalFileBackend if release >= (4, 0) else storages.JournalFileStorage
    for make in (story, healthy, pareto):
        make(storages.JournalStorage(backend(str(log))))
    fix_journal(log)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main(Path(sys.argv[1]))
