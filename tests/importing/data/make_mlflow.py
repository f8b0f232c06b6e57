"""Makes the MLflow fixtures, with the release of the interpreter that runs it: `python make_mlflow.py FOLDER`."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

BEGIN_MS = 1_709_287_200_000
"""2024-03-01 10:00 UTC."""
HOUR_MS = 3_600_000


def write(client: Any) -> None:
    """A parent that groups, five children of every status, hostile text, a deleted run, and other experiments."""
    experiment = client.create_experiment("HPO Loss Weights")
    client.create_experiment("empty")
    deleted = client.create_experiment("deleted one")
    client.create_run(deleted, start_time=BEGIN_MS)
    client.delete_experiment(deleted)
    parent = run(client, experiment, 0, "parent", {}, None)
    for number, status in enumerate(("FINISHED", "FINISHED", "FAILED", "KILLED", "RUNNING"), start=1):
        tags = {"mlflow.parentRunId": parent}
        if number == 4:
            tags["state"] = "TrialState.PRUNED"  # as Optuna's MLflowCallback does
        child = run(client, experiment, number, f"run-{number}", tags, status)
        client.log_param(child, "lr", str(10.0**-number))
        client.log_param(child, "layers", str(number))
        client.log_param(child, "amp", str(number % 2 == 0))
        points = []
        for step in range(4):
            t_ms = BEGIN_MS + number * HOUR_MS + step * 60_000
            value = {2: float("nan"), 3: float("inf")}.get(step, 20.0) if number == 2 and step else 10.0 * number + step
            points.append(Metric("val/psnr", value, t_ms, step))
            points.append(Metric("loss", 1.0 / (step + number), t_ms, step))
        client.log_batch(child, metrics=points)
    client.set_tag(parent, "note", "\x1b[31mred\x1b[0m [/bold]")
    client.delete_run(run(client, experiment, 9, "deleted", {}, "FINISHED"))


def run(client: Any, experiment: str, number: int, name: str, tags: dict[str, str], status: str | None) -> str:
    """A run with fixed times; without a status it stays RUNNING."""
    begin = BEGIN_MS + number * HOUR_MS
    made = client.create_run(experiment, start_time=begin, tags=tags, run_name=name)
    if status not in (None, "RUNNING"):
        client.set_terminated(made.info.run_id, status=status, end_time=begin + 600_000)
    return str(made.info.run_id)


def main(folder: Path) -> None:
    """A database, and a file store as an archive."""
    release = ".".join(mlflow.__version__.split(".")[:2])
    database = folder / f"mlflow-{release}.db"
    database.unlink(missing_ok=True)
    write(MlflowClient(tracking_uri=f"sqlite:///{database}"))
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA page_size = 512")
    connection.execute("VACUUM")
    connection.close()
    store = Path(tempfile.mkdtemp()) / "mlruns"
    write(MlflowClient(tracking_uri=str(store)))
    with tarfile.open(folder / f"mlruns-{release}.tar.gz", "w:gz") as archive:
        archive.add(store, "mlruns")
    shutil.rmtree(store.parent)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
