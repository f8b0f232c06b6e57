"""Why an action would do nothing just now, in words; what greys keys and answers a key that was pressed in vain."""

from __future__ import annotations

from typing import Final

from htr_tui.journal.records import TrialRecord
from htr_tui.panel.actions import BY_ID
from htr_tui.panel.screens.context import PanelContext
from htr_tui.panel.views import StudyView

RETRIABLE: Final = frozenset({"failed", "pruned", "stopped"})
NO_STUDY: Final = "there is no study yet"
NO_TRIAL: Final = "there is no trial yet"
OF_A_TRIAL: Final = frozenset({"retry", "promote", "show_trial"})


def why_not(action_id: str, panel: PanelContext, name: str | None, number: int | None) -> str | None:
    """Why an action on this study and trial would do nothing; None if it would."""
    action = BY_ID[action_id]
    if action.changes and panel.is_read_only:
        return f"this panel is read-only: {panel.runs} cannot be written"
    study, trial = panel.store.study(name), panel.store.trial(name, number)
    if study is None:
        is_needed = action.is_for_own or action_id in ("diagnose", "show_trials", "show_trial")
        return NO_STUDY if is_needed else None
    if action.is_for_own and study.facts.imported is not None:
        return f"{study.name} is imported: it is only read"
    if action_id in OF_A_TRIAL and trial is None:
        return NO_TRIAL
    return _why_not_now(action_id, study, trial)


def _why_not_now(action_id: str, study: StudyView, trial: TrialRecord | None) -> str | None:
    if action_id == "stop" and not study.is_active and not study.running:
        return f"{study.name} is not running"
    if action_id == "pause" and not study.is_active:
        return f"{study.name} is {study.state}: only a running study pauses" + (
            "; l goes on with it" if study.state in ("stopped", "interrupted") else ""
        )
    if action_id == "retry" and trial is not None and trial.state not in RETRIABLE:
        return f"trial {trial.number} is {trial.state}: only failed, pruned and stopped ones run again"
    if action_id == "promote" and trial is not None and not trial.params:
        return f"trial {trial.number} has no parameters of its own"
    return None
