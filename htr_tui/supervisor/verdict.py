"""From an ended attempt's files to the facts that a verdict needs: triage is asked here."""

from __future__ import annotations

from typing import Any

from htr_tui.executors.local import AttemptPhase
from htr_tui.journal.records import AttemptRecord
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.decide import AttemptEnd, SuggestedFix
from htr_tui.supervisor.observe import AttemptTracker
from htr_tui.triage.engine import classify_attempt
from htr_tui.triage.finding import ExitFacts, TriageContext

_HELD_OUT = ("val", "test", "eval")
"""Prefixes of metrics that a NaN in does not end the training."""


def examine(
    spec: StudySpec,
    tracker: AttemptTracker,
    attempt: AttemptRecord,
    phase: AttemptPhase,
    *,
    other_gpu_bytes: int | None = None,
) -> tuple[AttemptEnd, dict[str, Any] | None]:
    """(facts, finding as JSON or None where nothing was looked for)."""
    facts = phase.exit or {}
    values, _, metrics = tracker.result()
    end = AttemptEnd(
        lost=phase.phase == "lost",
        never_started=phase.never_started,
        exit_code=facts.get("exit_code"),
        signal=facts.get("signal"),
        end_status=tracker.end_status,
        values=values,
        missing=tracker.missing_metrics(),
        stopped_now=facts.get("stop_requested") == "now",
    )
    if end.lost or end.stopped_now or attempt.stopping is not None:
        return end, None
    loss = next((v for k, v in metrics.items() if "loss" in k.lower() and not k.startswith(_HELD_OUT)), None)
    context = TriageContext(
        params={**tracker.start_params, **attempt.set},
        knobs=spec.trainer.knobs,
        gpu_wanted=spec.resources.gpus != "none" and bool(attempt.devices),
        last_loss=loss,
        other_gpu_bytes=other_gpu_bytes,
    )
    exit_facts = ExitFacts(
        exit_code=end.exit_code,
        signal=end.signal,
        oom_kills=int(facts.get("oom_kills") or 0),
        stopped_by_us=False,
        completed=None if end.end_status is None else end.end_status == "complete",
    )
    finding = classify_attempt(tracker.paths.root, exit_facts, context)
    fixes = tuple(SuggestedFix(f.name, dict(f.set), dict(f.env)) for f in finding.fixes if f.applicable)
    described = AttemptEnd(
        lost=False,
        exit_code=end.exit_code,
        signal=end.signal,
        end_status=end.end_status,
        category=finding.category,
        title=finding.title,
        fixes=fixes,
        values=values,
        missing=end.missing,
    )
    return described, finding.as_json()
