"""Keeps the MLflow mirror process running beside the supervisor; what happens to it touches no trial."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from htr_tui.journal.paths import StudyPaths
from htr_tui.study.metrics_spec import MlflowMetrics
from htr_tui.study.spec import StudySpec

RESTART_S = 15.0
NICENESS = 5


class MirrorKeeper:
    """Starts the mirror and starts it again if it dies; it outlives us to finish its work."""

    def __init__(self, spec: StudySpec, paths: StudyPaths) -> None:
        self._wanted = spec.tracking is not None
        self._paths = paths
        self._options = _read_options(spec)
        self._ahead = 1
        self._process: subprocess.Popen[bytes] | None = None
        self._last_start = 0.0

    def start(self, *, ahead: int) -> None:
        """Start it; a second one beside a living one ends by itself (it holds a lock)."""
        if not self._wanted:
            return
        self._ahead = ahead
        self._last_start = time.monotonic()
        command = [sys.executable, "-m", "htr_tui.tracking.mirror", str(self._paths.root), "--ahead", str(ahead)]
        command += self._options
        self._process = None
        with open(self._paths.supervisor_log, "ab") as log:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    cwd="/",
                )
                os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)
            except OSError:
                pass  # no process, or one that is as quick to the processor as others

    def keep(self) -> None:
        """Start it again if it is gone, not too often."""
        if not self._wanted:
            return
        gone = self._process is None or self._process.poll() is not None
        if gone and time.monotonic() - self._last_start > RESTART_S:
            self.start(ahead=self._ahead)


def _read_options(spec: StudySpec) -> list[str]:
    """How the mirror brings metrics back from the trainers' runs, where the study asks for that."""
    metrics = spec.trainer.metrics
    if not isinstance(metrics, MlflowMetrics):
        return []
    return ["--read-metrics", json.dumps(metrics.model_dump(include={"epoch", "first_epoch", "only"}))]
