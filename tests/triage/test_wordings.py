from __future__ import annotations

from pathlib import Path

import pytest

from htr_tui.triage.engine import classify_log
from htr_tui.triage.finding import ExitFacts
from tests.triage.wordings import WORDINGS


@pytest.mark.parametrize(
    ("category", "text", "facts"), WORDINGS, ids=[f"{i}-{case[0]}" for i, case in enumerate(WORDINGS)]
)
def test_a_wording_gets_its_category(category: str, text: str, facts: ExitFacts | None, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(text, encoding="utf-8")
    finding = classify_log(log, facts)
    assert finding.category == category, (finding.title, finding.evidence)
    assert 0 < finding.confidence <= 1
