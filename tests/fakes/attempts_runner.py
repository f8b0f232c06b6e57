"""An attempt's folder with the fake trainer's command, ready for a runner."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

from htr_tui.files import write_json
from htr_tui.journal.paths import AttemptPaths
from htr_tui.processes.sweep import TOKEN

TRAINER = Path(__file__).with_name("trainer.py")


def fake_attempt(folder: Path, *options: str, grace_s: float = 20.0, argv: list[str] | None = None) -> AttemptPaths:
    """Write command.json for `trainer.py OPTIONS` (or any argv)."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = AttemptPaths(folder)
    env = {
        "HTR_TUI_TRIAL_DIR": str(folder),
        "HTR_TUI_EVENTS": str(paths.events),
        "HTR_TUI_TRIAL": "0",
        "HTR_TUI_ATTEMPT": "1",
        "PYTHONUNBUFFERED": "1",
        TOKEN: uuid.uuid4().hex,
    }
    command = argv if argv is not None else [sys.executable, str(TRAINER), *options]
    write_json(paths.command, {"argv": command, "cwd": str(folder), "env": env, "grace_s": grace_s})
    return paths
