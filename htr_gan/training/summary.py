"""`summary.md` at the end of a training: what it was, what came out, where things lie. No TensorFlow in here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from htr_gan.config.schema import Config, flatten
from htr_gan.files import write_atomic
from htr_gan.training.progress import Progress
from htr_gan.training.time_left import clock

NAME = "summary.md"
SHOWN_EPOCHS = 20
"""Rows of the table; of longer trainings the first, the best, and evenly spread ones are shown."""

_PLACES = {
    "checkpoints": "checkpoints: the newest, and the best",
    "final": "the best epoch's state (`train.early_stop.restore_best`)",
    "recognizer": "the recogniser: the result of task `recognizer`, or the one that guided the generator",
    "samples": "the same held-out lines after each epoch",
    "history.json": "all values of all epochs",
    "metrics.csv": "the same as a table",
    "tensorboard": "event files for TensorBoard",
    "config.json": "the configuration in force; `htr-gan train` takes it",
    "events.jsonl": "what happened when",
}


def write_summary(folder: Path, config: Config, progress: Progress, remarks: list[str]) -> Path:
    """Replace the summary in a run's folder."""
    path = folder / NAME
    write_atomic(path, summary_text(folder, config, progress, remarks).encode())
    return path


def summary_text(folder: Path, config: Config, progress: Progress, remarks: list[str]) -> str:
    """Markdown; `remarks` are sentences, such as why the training ended early."""
    done, train = progress.epochs_done, config.train
    lines = [f"# {_cell(folder.resolve().name)}", ""]
    lines += [
        f"Task `{config.task}`, {done} of {train.epochs} epochs of {train.steps} steps, "
        f"effective batch {train.batch * train.accumulation}, seed {config.seed}.",
        f"Best epoch: {progress.best_epoch} (`{train.keep.best}` = {_score(progress)}).",
        f"Time: {_time(progress)}.",
        "",
        *(f"- {_cell(remark)}" for remark in remarks),
        "",
        "## Values",
        "",
        *_values(progress),
        "",
        "## Settings that differ from the defaults",
        "",
        *_settings(config),
        "",
        "## Files",
        "",
        *(f"- `{name}`: {what}" for name, what in _PLACES.items() if (folder / name).exists()),
    ]
    return "\n".join(lines) + "\n"


def _score(progress: Progress) -> str:
    return "not a number" if progress.best_score is None else f"{progress.best_score:.6g}"


def _time(progress: Progress) -> str:
    def total(name: str) -> float:
        return float(sum(epoch["values"].get(name, 0.0) for epoch in progress.history))

    return f"{clock(total('seconds/train'))} of steps, {clock(total('seconds/validation'))} of validation"


def _values(progress: Progress) -> list[str]:
    """A table with a row for each shown epoch."""
    names = list(dict.fromkeys(name for epoch in progress.history for name in epoch["values"]))
    names = [name for name in names if not name.startswith(("seconds/", "memory/"))]
    rows = [["epoch", *names]]
    for epoch in _shown(progress):
        number = f"**{epoch['epoch']}**" if epoch["epoch"] == progress.best_epoch else str(epoch["epoch"])
        rows.append([number, *(_number(epoch["values"].get(name)) for name in names)])
    return _table(rows)


def _shown(progress: Progress) -> list[dict[str, Any]]:
    history = progress.history
    if len(history) <= SHOWN_EPOCHS:
        return history
    last = len(history) - 1
    wanted = {round(place * last / (SHOWN_EPOCHS - 1)) for place in range(SHOWN_EPOCHS)}
    wanted.add(progress.best_epoch - 1)
    return [epoch for index, epoch in enumerate(history) if index in wanted]


def _settings(config: Config) -> list[str]:
    defaults = flatten(type(config).model_validate({"task": config.task}))
    rows = [["key", "value", "default"]]
    for key, value in flatten(config).items():
        if value != defaults.get(key):
            rows.append([f"`{key}`", _cell(str(value)), _cell(str(defaults.get(key)))])
    return _table(rows) if len(rows) > 1 else ["None."]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    """Data, whatever is in it: no table, link or line of its own."""
    text = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in r"\`*_[]<>|#" else sign for sign in text)


def _table(rows: list[list[str]]) -> list[str]:
    head, *body = rows
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]
