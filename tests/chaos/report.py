"""What all rounds together came to, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.rounds import Outcome


def summary(outcomes: Sequence[Outcome], wall_s: float) -> dict[str, Any]:
    """Figures over all rounds."""
    strikes: Counter[str] = Counter()
    for outcome in outcomes:
        strikes.update(outcome.strikes)
    seconds = sorted(o.seconds for o in outcomes)
    return {
        "rounds": len(outcomes),
        "failed_rounds": [o.seed for o in outcomes if o.broken],
        "wall_s": round(wall_s, 1),
        "cpu_s": round(sum(o.cpu_s for o in outcomes), 1),
        "round_s_median": round(seconds[len(seconds) // 2], 1) if seconds else None,
        "round_s_longest": round(seconds[-1], 1) if seconds else None,
        "trials": sum(o.trials for o in outcomes),
        "attempts": sum(o.attempts for o in outcomes),
        "attempts_lost": sum(o.lost for o in outcomes),
        "trials_failed": sum(o.failed for o in outcomes),
        "supervisors": sum(o.supervisors for o in outcomes),
        "stop_now_s_longest": round(max((o.stop_now_s for o in outcomes), default=0.0), 1),
        "strikes": dict(sorted(strikes.items(), key=lambda item: -item[1])),
        "strikes_in_all": strikes.total(),
    }


def summary_text(figures: dict[str, Any]) -> str:
    """The same for people."""
    lines = [
        f"{figures['rounds']} rounds, {len(figures['failed_rounds'])} failed; {figures['strikes_in_all']} strikes;"
        f" {figures['wall_s']} s, {figures['cpu_s']} CPU-s",
        f"{figures['trials']} trials, {figures['attempts']} attempts, {figures['attempts_lost']} of them lost,"
        f" {figures['trials_failed']} trials out of retries; {figures['supervisors']} supervisors",
        f"the longest `htr-tui stop --now` took {figures['stop_now_s_longest']} s",
        *(f"  {kind:24}{count:6}" for kind, count in figures["strikes"].items()),
    ]
    if figures["failed_rounds"]:
        lines.append("failed seeds: " + " ".join(map(str, figures["failed_rounds"])))
    return "\n".join(lines)


def story(outcome: Outcome) -> str:
    """Everything about a round that failed."""
    return "\n".join(
        [
            f"round {outcome.seed} FAILED, its folder is {outcome.folder}",
            f"  again: python -m tests.chaos --rounds 1 --seed {outcome.seed}",
            f"  {outcome.plan}",
            *(f"  {line}" for line in outcome.told),
            *(f"  BROKEN: {line}" for line in outcome.broken),
        ]
    )


def write_json(path: Path, figures: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Figures, and the stories of failed rounds."""
    failed = [outcome.as_json() for outcome in outcomes if outcome.broken]
    path.write_text(json.dumps({**figures, "failures": failed}, indent=1) + "\n", encoding="utf-8")
