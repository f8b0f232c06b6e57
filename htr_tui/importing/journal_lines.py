"""A foreign study as the lines of our journal, so that every reader of studies reads it too."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from htr_tui.files import dump_line
from htr_tui.importing.foreign import EpochValues, ForeignStudy, ForeignTrial
from htr_tui.journal.fold import SCHEMA
from htr_tui.journal.records import ForeignSource
from htr_tui.text import clean_text

SILENT_S = 24 * 3600.0
"""A trial that the other tool calls RUNNING, and that gave no sign of life for so long, is taken for dead."""

MAX_MESSAGE = 400
MAX_NAMES = 500
"""Parameters of a trial and metrics of its end that are kept."""
MAX_NAME = 200
MAX_SPACE = 200_000
"""Bytes of all ranges together; a reader of the journal takes a line of at most a MiB."""

Record = dict[str, Any]


LONG_TRIALS = 3.0
"""The same where trials take long: a trial may be silent for so many times what one that came to its end took."""


def patience_s(study: ForeignStudy) -> float:
    """How long a RUNNING trial of the study may be silent before it is taken for dead, in seconds."""
    took = [
        trial.ended - trial.started
        for trial in study.trials
        if trial.state == "complete" and trial.started is not None and trial.ended is not None
    ]
    return max(SILENT_S, LONG_TRIALS * statistics.median(took)) if took else SILENT_S


def is_lost(trial: ForeignTrial, now: float, patience: float) -> bool:
    """Whether a RUNNING trial is a zombie: nobody ended it, and nothing was heard of it for that many seconds."""
    return trial.state == "running" and (trial.last_seen is None or now - trial.last_seen > patience)


def study_records(study: ForeignStudy, name: str, source: ForeignSource, now: float) -> list[Record]:
    """All lines of the journal, in the order of their times."""
    times = [t for trial in study.trials for t in (trial.started, trial.ended, trial.last_seen) if t is not None]
    first, last = min(times, default=now), max(times, default=now)
    head = {
        "t": first,
        "event": "study_created",
        "schema": SCHEMA,
        "study": name,
        "source": source.url,
        "source_sha256": "",
        "budget": {"trials": len(study.trials), "hours": None},
        "objectives": [clean_text(text, MAX_NAME) for text in study.objectives],
        "directions": list(study.directions),
        "parameters": list(dict.fromkeys([*study.space, *(p for t in study.trials for p in t.params)]))[:MAX_NAMES],
        "space": _bounded_space(study.space),
        "constraints": [clean_text(text, MAX_NAME) for text in study.constraints],
        "tracking_uri": None,
        "experiment": None,
        "storage": None,
        "imported": {"url": source.url, "kind": source.kind, "study": source.study},
        "imported_at": now,
    }
    patience = patience_s(study)
    dead = {trial.number for trial in study.trials if is_lost(trial, now, patience)}
    body = [
        record for trial in study.trials for record in trial_records(trial, first, last, is_dead=trial.number in dead)
    ]
    body.sort(key=lambda record: float(record["t"]))
    is_open = any(t.state in ("queued", "running") and t.number not in dead for t in study.trials)
    tail = [_note(last, "info", text) for text in study.remarks]
    tail += [_note(last, "warning", text) for text in study.warnings]
    tail.append({"t": last, "event": "supervisor_ended", "reason": "stopped" if is_open else "finished"})
    return [head, *body, *tail]


def _bounded_space(space: dict[str, Any]) -> dict[str, Any]:
    """As many ranges as a line can hold, numeric ones first: lists of choices may be of any length."""
    kept: dict[str, Any] = {}
    left = MAX_SPACE
    for name, form in sorted(space.items(), key=lambda item: "categorical" in item[1])[:MAX_NAMES]:
        choices = form.get("categorical", ())
        if sum(len(choice) if isinstance(choice, str) else 4 for choice in choices) > left:
            continue
        size = len(dump_line({name: form}))
        if size <= left:
            kept[name] = form
            left -= size
    return {name: kept[name] for name in space if name in kept}


def trial_records(trial: ForeignTrial, first: float, last: float, *, is_dead: bool) -> Iterator[Record]:
    """A trial's life; where times are missing, the study's own stand in."""
    begin = (
        trial.started if trial.started is not None else (trial.ended or (last if trial.state == "queued" else first))
    )
    ids = {"trial": trial.number}
    yield {"t": begin, "event": "trial_created", **ids, "params": _first(trial.params), "label": trial.label, "set": {}}
    for text in trial.remarks:
        yield _note(begin, "info", text, trial.number)
    if trial.state == "queued":
        return
    attempt = {**ids, "attempt": 1}
    yield {"t": begin, "event": "attempt_started", **attempt, "reason": "first", "set": {}, "env": {}, "devices": []}
    end = trial.ended if trial.ended is not None else (trial.last_seen or begin)
    end = max(begin, end)
    yield from _reports(trial, begin, end, attempt)
    if trial.state == "running" and not is_dead:
        return
    state, category, title = trial.state, trial.category, trial.title
    if is_dead:
        state, category = "failed", "lost"
        title = f"still RUNNING when it was read; last sign of life {_date(trial.last_seen)}"
    yield {
        "t": end,
        "event": "attempt_ended",
        **attempt,
        "state": "lost" if is_dead else state,
        "ended": end,
        "values": _first(trial.final),
        "category": category,
        "title": None if title is None else clean_text(title, MAX_MESSAGE),
    }
    yield {
        "t": end,
        "event": "trial_ended",
        **ids,
        "state": state,
        "values": list(trial.values) if state in ("complete", "pruned") else [],
        "constraints": list(trial.constraints),
        "category": category,
    }


def _first(values: dict[str, Any]) -> dict[str, Any]:
    return {name[:MAX_NAME]: value for name, value in list(values.items())[:MAX_NAMES]}


def _reports(trial: ForeignTrial, begin: float, end: float, attempt: Record) -> Iterator[Record]:
    """The objective by step, at the times that are known, else spread over the trial's time."""
    known = {epoch.epoch: epoch.t for epoch in trial.metrics if epoch.t > 0}
    steps = sorted(trial.reported)
    t = begin
    for index, step in enumerate(steps):
        guess = begin + (end - begin) * (index + 1) / len(steps)
        t = min(end, max(t, known.get(step, guess)))
        yield {"t": t, "event": "attempt_reported", **attempt, "epoch": step, "value": trial.reported[step]}


def event_lines(trial: ForeignTrial) -> list[Record]:
    """The trial's metrics as events of a trainer: what charts and `show` read."""
    return [{"t": epoch.t, "kind": "metrics", "epoch": epoch.epoch, "values": _named(epoch)} for epoch in trial.metrics]


def _named(epoch: EpochValues) -> dict[str, float]:
    return {clean_text(name, MAX_NAME) or "_": value for name, value in list(epoch.values.items())[:MAX_NAMES]}


def _note(t: float, level: str, message: str, trial: int | None = None) -> Record:
    return {"t": t, "event": "note", "level": level, "message": clean_text(message, MAX_MESSAGE), "trial": trial}


def _date(t: float | None) -> str:
    return "unknown" if t is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(t))
