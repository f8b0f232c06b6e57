"""A study of the fake trainer in a folder, and the real command line on it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from htr_tui.journal.fold import JournalReader, StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.presence import read_presence
from tests.fakes.attempts_runner import TRAINER
from tests.fakes.waiting import wait_for


@dataclass(frozen=True)
class FakeStudy:
    """A base folder with `study.yaml` and, once launched, `runs/fake`."""

    base: Path

    @property
    def file(self) -> Path:
        return self.base / "study.yaml"

    @property
    def paths(self) -> StudyPaths:
        return StudyPaths(self.base / "runs" / "fake")

    def cli(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run `htr-tui --dir BASE ARGUMENTS`."""
        command = [sys.executable, "-m", "htr_tui", "--dir", str(self.base), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if expect is not None:
            assert result.returncode == expect, f"{arguments}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def json(self, *arguments: str) -> dict[str, Any]:
        """The JSON of a command."""
        record = json.loads(self.cli(*arguments, "--json").stdout)
        assert isinstance(record, dict)
        return record

    def fold(self) -> StudyFold:
        reader = JournalReader(self.paths.journal)
        reader.refresh()
        return reader.fold

    def wait_until_ended(self, deadline_s: float = 90) -> StudyFold:
        """Wait for the supervisor to say that it ended and to be gone."""

        def is_over() -> bool:
            presence = read_presence(self.paths.supervisor)
            return presence is not None and not presence.alive and self.fold().ended_reason is not None

        wait_for(is_over, deadline_s, self.supervisor_log())
        return self.fold()

    def supervisor_log(self) -> str:
        try:
            return self.paths.supervisor_log.read_text(errors="replace")[-2000:]
        except OSError:
            return ""

    def open_gate(self, epoch: int) -> None:
        """Let the trainers that wait at `--gate` go on to this epoch."""
        temporary = self.base / "gate.tmp"
        temporary.write_text(str(epoch))
        temporary.replace(self.base / "gate")


def fake_study(base: Path, *options: str, gate: int = 1_000_000, metrics: Any = "events", **changes: Any) -> FakeStudy:
    """Write a study of `trainer.py OPTIONS`; trainers wait at epochs > `gate`; `changes` replace top-level keys."""
    base.mkdir(parents=True, exist_ok=True)
    study = {
        "study": "fake",
        "trainer": {
            "command": [sys.executable, str(TRAINER), "--gate", str(base / "gate"), *options, "{overrides}"],
            "knobs": {"batch": "train.batch", "accumulation": "train.accumulation"},
            "grace_s": 20,
            "metrics": metrics,
        },
        "search": {
            "sampler": {"random": {"seed": 1}},
            "space": {"lr": {"float": [0.001, 0.1], "log": True}, "width": {"int": [4, 16]}},
        },
        "objective": {"maximize": "val/psnr - 100 * val/cer", "from": "best"},
        "budget": {"trials": 3},
        "tracking": "none",
        **changes,
    }
    made = FakeStudy(base)
    made.file.write_text(yaml.safe_dump(study, sort_keys=False))
    made.open_gate(gate)
    return made
