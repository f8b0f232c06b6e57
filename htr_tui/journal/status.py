"""A study's state in one word, and the JSON of `htr-tui status`, `trials` and `show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import AttemptRecord, StudyState, TrialRecord


def study_state(fold: StudyFold, supervisor_alive: bool) -> StudyState:
    """running or paused while supervised; else how the last supervisor ended, `interrupted` if it said nothing."""
    if supervisor_alive and fold.ended_reason is None:
        return "paused" if fold.paused is not None else "running"
    if fold.ended_reason == "finished":
        return "finished"
    if fold.ended_reason == "stopped":
        return "stopped"
    return "interrupted"


def effective_params(trial: TrialRecord, attempt: AttemptRecord | None = None) -> dict[str, Any]:
    """The trial's parameters with the overrides in force in `attempt` (default: the last)."""
    attempt = attempt if attempt is not None else trial.last_attempt
    return {**trial.params, **(attempt.set if attempt else {})}


def trial_json(trial: TrialRecord, now: float) -> dict[str, Any]:
    """One trial as in `htr-tui trials --json`."""
    return {
        "trial": trial.number,
        "label": trial.label,
        "by": trial.by,
        "state": trial.state,
        "params": trial.params,
        "value": trial.value,
        "values": list(trial.values),
        "constraints": list(trial.constraints),
        "feasible": trial.is_feasible,
        "epoch": trial.epoch,
        "epochs": trial.epochs,
        "seconds": trial.seconds(now),
        "attempts": len(trial.attempts),
        "category": trial.category,
        "peak_gpu_bytes": trial.peak_gpu_bytes,
        "peak_rss_bytes": trial.peak_rss_bytes,
    }


def study_json(fold: StudyFold, path: str, alive: bool, supervisor: dict[str, Any] | None) -> dict[str, Any]:
    """One study as in `htr-tui status --json`."""
    best = fold.best()
    facts = fold.facts
    return {
        "study": fold.facts.study,
        "path": path,
        "state": study_state(fold, alive),
        "supervisor": supervisor,
        "trials": {"total": len(fold.trials), **fold.counts},
        "budget": fold.facts.trials,
        "best": None if best is None else {"trial": best.number, "value": best.value, "params": best.params},
        "pareto": [t.number for t in fold.pareto()] if len(facts.directions) > 1 else None,
        "paused": None if fold.paused is None else asdict(fold.paused),
        "waiting": fold.waiting,
        "promoted_from": None if facts.promoted_from is None else asdict(facts.promoted_from),
        "imported": None if facts.imported is None else asdict(facts.imported),
        "notes": [{"t": n.t, "level": n.level, "message": n.message, "trial": n.trial} for n in fold.notes[-5:]],
    }
