"""What a study wants from its user, in words: it paused, it waits, it came from elsewhere."""

from __future__ import annotations

from htr_tui.panel import format
from htr_tui.panel.views import StudyView
from htr_tui.text import clean_text

FRESH_S = 100.0
"""What is younger is "just now"."""


def pause_text(study: StudyView, now: float) -> str:
    """`paused by itself 12 min ago: ...`, or nothing."""
    if study.paused is None:
        return ""
    who = "by itself" if study.has_paused_itself else "by the user"
    message = clean_text(study.paused.message, 400)
    why = f": {message}" if message and message != "paused by the user" else ""
    return f"paused {who} {long_ago(study.paused.t, now)}{why}"


def long_ago(t: float | None, now: float) -> str:
    """How long ago, from minutes on: counted seconds would repaint at every tick."""
    return "just now" if t is not None and 0 <= now - t < FRESH_S else format.clock_ago(t, now)


def banner_text(study: StudyView | None, now: float, elsewhere: str = "") -> tuple[str, str]:
    """What cannot wait and what to press; empty for a study that does well or was paused on purpose.

    `elsewhere`: where the keys are about this study, if not here.
    """
    if study is None or not study.has_paused_itself or study.state == "finished":
        return "", ""
    text = pause_text(study, now)
    loud = f"!! {study.name}: PAUSED BY ITSELF{text.removeprefix('paused by itself')}"
    if elsewhere:
        return loud, f"Nothing new is started in it. {elsewhere}: D diagnosis, P continue, s stop."
    if study.state == "paused":
        return loud, "Nothing new is started. D diagnoses it, P continues it, s stops it."
    return loud, "Nobody supervises it now. D diagnoses it, l goes on with it."


def origin_text(study: StudyView) -> str:
    """Where a study comes from, if from another one."""
    if (parent := study.facts.promoted_from) is not None:
        return f"promoted from {clean_text(parent.study, 60)} #{parent.trial}"
    if (source := study.facts.imported) is not None:
        return f"imported, read-only: {clean_text(source.kind, 30)} {clean_text(source.study, 60)}"
    return ""


def about_text(study: StudyView, now: float) -> str:
    """The one thing about a study that its row should tell beside the numbers."""
    if study.paused is not None and study.state != "finished":
        return pause_text(study, now)
    if study.waiting and study.is_active:
        return f"waits: {clean_text(study.waiting, 200)}"
    return origin_text(study)
