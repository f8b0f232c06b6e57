"""Records of studies for tests that need no files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from htr_tui.journal.records import StudyFacts
from htr_tui.panel.views import StudyView


def study_view(name: str = "study", parameters: tuple[str, ...] = (), **others: Any) -> StudyView:
    """A study that was read to its end."""
    facts = StudyFacts(study=name, parameters=parameters)
    return StudyView(name, Path("/runs") / name, facts=facts, is_loaded=True, **others)
