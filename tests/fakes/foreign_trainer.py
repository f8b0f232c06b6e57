"""Somebody else's trainer: knows nothing of htr-tui, tells its metrics in its own way and says nothing at its end."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path


def psnr_of(lr: float, epoch: int) -> float:
    """What a run with this learning rate reaches at an epoch (from 0)."""
    return round(20.0 - 100.0 * abs(lr - 0.01) + epoch, 6)


def loss_of(lr: float, epoch: int) -> float:
    return round(1.0 / (epoch + 1) + lr, 6)


def wait_at(gate: Path | None, epoch: int) -> None:
    while gate is not None and epoch > 0:
        try:
            if float(gate.read_text() or 0) >= epoch:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.02)


def show_progress(lr: float, epoch: int, epochs: int) -> None:
    """A bar over itself, then the epoch's result."""
    sys.stdout.write(f"\x1b[1mEpoch {epoch + 1}/{epochs}\x1b[0m\n")
    for step in range(1, 4):
        sys.stdout.write(f"\r{step}/4 [{'=' * step}>] - loss: {9.0 - step}")
        sys.stdout.flush()
    sys.stdout.write(f"\r4/4 [====] - loss: {loss_of(lr, epoch)} - val_psnr: {psnr_of(lr, epoch)}\n")
    sys.stdout.flush()


def write_csv(path: Path, lr: float, epoch: int) -> None:
    """A row an epoch, torn in the middle as a buffered writer does."""
    with open(path, "a", newline="") as file:
        rows = csv.writer(file)
        if epoch == 0:
            rows.writerow(["epoch", "loss", "val_psnr"])
        row = f"{epoch},{loss_of(lr, epoch)},{psnr_of(lr, epoch)}\r\n"
        file.write(row[:7])
        file.flush()
        time.sleep(0.05)
        file.write(row[7:])


def write_json(path: Path, lr: float, epoch: int) -> None:
    """The whole history anew, in place."""
    epochs = range(epoch + 1)
    history = {"loss": [loss_of(lr, e) for e in epochs], "val_psnr": [psnr_of(lr, e) for e in epochs]}
    path.write_text(json.dumps({"config": {"lr": lr}, "history": history}, indent=2))


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--lr", type=float, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--form", choices=["log", "csv", "json", "mlflow", "none"], default="log")
    p.add_argument("--gate", type=Path)
    p.add_argument("--status", type=int, default=0)
    options = p.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.form == "mlflow":
        import mlflow

        joined = os.environ["MLFLOW_RUN_ID"]
        assert mlflow.start_run().info.run_id == joined
    for epoch in range(options.epochs):
        wait_at(options.gate, epoch)
        show_progress(options.lr, epoch, options.epochs)
        if options.form == "csv":
            write_csv(options.out / "log.csv", options.lr, epoch)
        elif options.form == "json":
            write_json(options.out / "history.json", options.lr, epoch)
        elif options.form == "mlflow":
            values = {"loss": loss_of(options.lr, epoch), "val_psnr": psnr_of(options.lr, epoch)}
            mlflow.log_metrics(values, step=epoch)
    if options.form == "mlflow":
        mlflow.end_run()
    return int(options.status)


if __name__ == "__main__":
    sys.exit(main())
