"""From an ended attempt's files to the facts that a verdict needs: triage is asked here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from htr_tui.executors.local import AttemptPhase
from htr_tui.files import to_number
from htr_tui.journal.records import AttemptRecord
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.decide import AttemptEnd, SuggestedFix
from htr_tui.supervisor.observe import AttemptTracker
from htr_tui.triage.engine import classify_attempt
from htr_tui.triage.finding import ExitFacts, TriageContext

_HELD_OUT = ("val", "test", "eval")
"""Prefixes of metrics that a NaN in does not end the training."""


_WHOLE = ("exit_code", "signal", "oom_kills", "peak_rss_bytes")
_TIMES = ("start", "end", "seconds")


def exit_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """What exit.json tells, as far as it is what it should be: the trainer may write in the attempt's folder, too."""
    facts: dict[str, Any] = {}
    for name in _WHOLE:
        value = record.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 60:
            facts[name] = value
    for name in _TIMES:
        seconds = to_number(record.get(name))
        if seconds is not None and math.isfinite(seconds):
            facts[name] = seconds
    if record.get("stop_requested", "") in (None, "stop", "now"):
        facts["stop_requested"] = record["stop_requested"]
    return facts


def plain_end(tracker: AttemptTracker, phase: AttemptPhase) -> AttemptEnd:
    """The facts without a finding."""
    facts = phase.exit or {}
    values, _, _ = tracker.result()
    return AttemptEnd(
        lost=phase.phase == "lost",
        never_started=phase.never_started,
        exit_code=facts.get("exit_code"),
        signal=facts.get("signal"),
        end_status=tracker.end_status,
        values=values,
        missing=tracker.missing_metrics(),
        stopped_now=facts.get("stop_requested") == "now",
        unasked=facts.get("stop_requested", "") is None,
    )


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
    _, _, metrics = tracker.result()
    end = plain_end(tracker, phase)
    if end.lost or end.stopped_now or (attempt.stopping is not None and not end.unasked):
        return end, None
    loss = next((v for k, v in metrics.items() if "loss" in k.lower() and not k.startswith(_HELD_OUT)), None)
    context = TriageContext(
        params={**tracker.start_params, **attempt.set},
        knobs=spec.trainer.knobs,
        gpu_wanted=spec.resources.gpus != "none" and bool(attempt.devices),
        last_loss=loss,
        other_gpu_bytes=other_gpu_bytes,
    )
    told = ExitFacts(
        exit_code=end.exit_code,
        signal=end.signal,
        oom_kills=int(facts.get("oom_kills") or 0),
        stopped_by_us=False,
        completed=None if end.end_status is None else end.end_status == "complete",
    )
    finding = classify_attempt(tracker.paths.root, told, context)
    fixes = tuple(SuggestedFix(f.name, dict(f.set), dict(f.env)) for f in finding.fixes if f.applicable)
    return replace(end, category=finding.category, title=finding.title, fixes=fixes), finding.as_json()
