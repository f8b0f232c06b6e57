"""Where the files of a study are; the only place that spells their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A study's name is a folder's name and a column's text: nothing that a shell or a path could read otherwise."""


@dataclass(frozen=True, slots=True)
class AttemptPaths:
    """One attempt's folder, `runs/<study>/trials/0007/attempt-1`."""

    root: Path

    @property
    def command(self) -> Path:
        """argv, cwd, added environment, devices: written by the supervisor, read by the runner."""
        return self.root / "command.json"

    @property
    def params(self) -> Path:
        """The trial's parameters."""
        return self.root / "params.yaml"

    @property
    def overrides(self) -> Path:
        """Parameters and fixes together, for a trainer that takes a file."""
        return self.root / "overrides.yaml"

    @property
    def runner(self) -> Path:
        """Who runs the attempt (pid, ticks, boot id, host): created once, exclusively."""
        return self.root / "runner.json"

    @property
    def log(self) -> Path:
        """Raw bytes of the trainer's stdout and stderr."""
        return self.root / "log.txt"

    @property
    def events(self) -> Path:
        """Metrics and events from the trainer."""
        return self.root / "events.jsonl"

    @property
    def system(self) -> Path:
        """Host memory and CPU of the process tree over time, one JSON object a line, from the runner."""
        return self.root / "system.jsonl"

    @property
    def devices(self) -> Path:
        """GPU memory and load over time, one JSON object a line, from the supervisor."""
        return self.root / "devices.jsonl"

    @property
    def exit(self) -> Path:
        """How the trainer ended, written by the runner when nothing of it is left."""
        return self.root / "exit.json"

    @property
    def finding(self) -> Path:
        """What triage says."""
        return self.root / "finding.json"

    @property
    def checkpoints(self) -> Path:
        """The trainer's checkpoints."""
        return self.root / "checkpoints"

    @property
    def samples(self) -> Path:
        """The trainer's pictures."""
        return self.root / "samples"


@dataclass(frozen=True, slots=True)
class StudyPaths:
    """A study's folder, `runs/<study>`."""

    root: Path

    @property
    def study_file(self) -> Path:
        """The study as launched."""
        return self.root / "study.yaml"

    @property
    def created(self) -> Path:
        """The journal's first line once more, for a journal that lost it."""
        return self.root / "created.json"

    @property
    def journal(self) -> Path:
        """The truth."""
        return self.root / "journal.jsonl"

    @property
    def supervisor(self) -> Path:
        """pid, start ticks, boot id, host, heartbeat of the supervisor."""
        return self.root / "supervisor.json"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor and the mirror print."""
        return self.root / "supervisor.log"

    @property
    def lock(self) -> Path:
        """Held by flock while a supervisor runs."""
        return self.root / "supervisor.lock"

    @property
    def commands(self) -> Path:
        """Requests, moved in by rename, taken and removed by the supervisor."""
        return self.root / "commands"

    @property
    def tracking(self) -> Path:
        """What the MLflow mirror remembers about the study."""
        return self.root / "tracking.json"

    @property
    def files(self) -> Path:
        """Copies of the files that the study names, as they were at its launch."""
        return self.root / "files"

    @property
    def trials(self) -> Path:
        """One folder a trial."""
        return self.root / "trials"

    def trial(self, number: int) -> Path:
        """A trial's folder."""
        return self.trials / f"{number:04d}"

    def attempt(self, trial: int, attempt: int) -> AttemptPaths:
        """An attempt's files."""
        return AttemptPaths(self.trial(trial) / f"attempt-{attempt}")


def study_folders(runs: Path) -> list[StudyPaths]:
    """Every folder of `runs` that holds a journal, by name; a missing `runs` holds none."""
    try:
        names = sorted(entry.name for entry in runs.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
    return [paths for name in names if (paths := StudyPaths(runs / name)).journal.is_file()]
