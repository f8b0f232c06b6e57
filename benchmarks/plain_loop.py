"""The peer of the supervisor: what people write, `study.optimize` around `subprocess.run`.

    python -m benchmarks.plain_loop FOLDER --trials 30 [--wal | --no-study] -- TRAINER COMMAND

`--no-study` leaves Optuna away: what a loop over processes costs by itself. Each trial gets a folder of its own, the
parameters as `--set` options, and the objective from its events, as under the supervisor.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path
from typing import Any

TRAINER_FOLDER = "trial-{:04d}"


def run_trial(folder: Path, number: int, command: list[str], params: dict[str, Any]) -> float:
    """Start the trainer, wait for it, and read the objective as the fake study states it."""
    place = folder / TRAINER_FOLDER.format(number)
    place.mkdir()
    events = place / "events.jsonl"
    sets = [text for name, value in params.items() for text in ("--set", f"{name}={value}")]
    env = {**os.environ, "HTR_TUI_TRIAL_DIR": str(place), "HTR_TUI_EVENTS": str(events), "HTR_TUI_TRIAL": str(number)}
    with open(place / "log.txt", "wb") as log:
        subprocess.run([*command, *sets], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, check=True)
    reported = [event["values"] for event in map(json.loads, events.open()) if event["kind"] == "metrics"]
    return max(float(values["val/psnr"]) - 100 * float(values["val/cer"]) for values in reported)


def optimize(folder: Path, trials: int, command: list[str], *, wal: bool) -> None:
    """Optuna's own loop on a SQLite file, with Optuna's defaults or with the pragmas that the supervisor sets."""
    import optuna
    import sqlalchemy

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'optuna.db'}")
    if wal:
        sqlalchemy.event.listen(storage.engine, "connect", _set_pragmas)
        storage.engine.dispose()

    def objective(trial: optuna.Trial) -> float:
        params = {"lr": trial.suggest_float("lr", 0.001, 0.1, log=True), "width": trial.suggest_int("width", 4, 16)}
        return run_trial(folder, trial.number, command, params)

    study = optuna.create_study(
        storage=storage, study_name="plain", direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(objective, n_trials=trials)


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--wal", action="store_true")
    parser.add_argument("--no-study", action="store_true")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if not args.no_study:
        optimize(args.folder, args.trials, args.command, wal=args.wal)
        return
    for number in range(args.trials):
        run_trial(args.folder, number, args.command, {"lr": 0.01, "width": 8})


if __name__ == "__main__":
    main()
