"""What a tick asks of a long study looks at the trials that matter, counted in records."""

from __future__ import annotations

from pathlib import Path

from htr_tui.journal.fold import JournalReader
from htr_tui.supervisor import decide
from tests.fakes.counting import counted
from tests.fakes.studies import build_study


def test_a_tick_does_not_look_at_every_trial(tmp_path: Path) -> None:
    paths = build_study(tmp_path, "long", trials=400, epochs=2, running=4, queued=3, full_attempts=0)
    reader = JournalReader(paths.journal)
    reader.refresh()
    fold = reader.fold
    trials = counted(fold)
    queued = decide.next_queued(fold)
    assert queued is not None
    assert queued.state == "queued"
    assert len(fold.in_state("running")) == 4
    assert decide.end_of_study(fold, wants_more=False) is None
    assert not decide.wants_new_trial(fold, hours_used=0.0, exhausted=False)
    assert decide.failing_alike(fold, 3) is None
    assert trials.taken < 60
