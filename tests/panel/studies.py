"""Studies for tests of the panel: records that need no files, and folders with a story in their journal."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from htr_tui.files import LineAppender
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import StudyFacts
from htr_tui.panel.views import StudyView
from tests.fakes.studies import build_study

SPACE: dict[str, Any] = {
    "loss.pixel": {"float": [10.0, 150.0]},
    "loss.rec_feat": {"float": [10.0, 100.0], "log": True},
    "loss.adv": {"float": [0.5, 5.0]},
    "optimizer": {"categorical": ["adam", "muon"]},
    "depth": {"int": [2, 6], "when": {"optimizer": "muon"}},
    "seed": {"fixed": 7},
}
PAUSED_MESSAGE = "the first 3 trials failed in the same way (gpu_oom)"


def study_view(name: str = "study", parameters: tuple[str, ...] = (), **others: Any) -> StudyView:
    """A study that was read to its end."""
    facts = StudyFacts(study=name, parameters=parameters)
    return StudyView(name, Path("/runs") / name, facts=facts, is_loaded=True, **others)


def tell(paths: StudyPaths, event: str, t: float | None = None, **fields: Any) -> None:
    """Append an event to a study's journal."""
    LineAppender(paths.journal).append({"t": time.time() if t is None else t, "event": event, **fields})


def change_facts(paths: StudyPaths, **fields: Any) -> None:
    """Rewrite the first line of a study's journal."""
    first, _, rest = paths.journal.read_text().partition("\n")
    paths.journal.write_text(json.dumps({**json.loads(first), **fields}) + "\n" + rest)


def build_paused(runs: Path, name: str = "paused", by: str = "failures", message: str = PAUSED_MESSAGE) -> StudyPaths:
    """A study that paused: its trials failed, and its supervisor waits for the user."""
    paths = build_study(runs, name, trials=3, running=0, failed=3, supervisor="alive", full_attempts=3)
    change_facts(paths, budget={"trials": 40, "hours": 48})
    tell(paths, "study_paused", time.time() - 725, by=by, message=message)
    return paths


def build_waiting(runs: Path, name: str = "waiting") -> StudyPaths:
    """A supervised study whose next trial may not start yet."""
    paths = build_study(runs, name, trials=4, running=0, queued=1)
    tell(paths, "study_waiting", reason="memory: trial 3 needs about 12.0 GB, gpu0 has 4.5 GB free")
    return paths


def build_front(runs: Path, name: str = "front") -> StudyPaths:
    """Two objectives and a constraint: trials 0 and 1 on the front, 2 dominated, 3 infeasible, 4 by hand, 5 warm."""
    paths = build_study(runs, name, trials=0, running=0, full_attempts=0)
    change_facts(
        paths, objectives=["val/psnr", "val/cer"], directions=["maximize", "minimize"],
        constraints=["peak_gpu_gb <= 10"], parameters=list(SPACE), space=SPACE, budget={"trials": 6},
    )  # fmt: skip
    told = [([30.0, 0.30], [-2.0]), ([25.0, 0.10], [-1.0]), ([24.0, 0.35], [-1.0]), ([40.0, 0.05], [2.5])]
    for number, (values, constraints) in enumerate(told):
        tell(paths, "trial_created", trial=number, params={"loss.pixel": 20.0 + number, "optimizer": "adam"})
        tell(paths, "attempt_started", trial=number, attempt=1, devices=["0"], slot=0)
        tell(paths, "attempt_ended", trial=number, attempt=1, state="complete", exit_code=0, epoch=10, epochs=10)
        tell(paths, "trial_ended", trial=number, state="complete", values=values, constraints=constraints)
    tell(paths, "trial_created", trial=4, params={"loss.pixel": 99.0, "optimizer": "muon"}, by="hand", label="mine")
    tell(paths, "trial_created", trial=5, params={"loss.pixel": 98.0}, by="warm_start")
    return paths


def build_imported(runs: Path, name: str = "old-study") -> StudyPaths:
    """A study that was only read from elsewhere."""
    paths = build_study(runs, name, trials=12, running=0, failed=1, full_attempts=0)
    source = {"url": "sqlite:////home/anna/old.db", "kind": "Optuna, schema 3.0", "study": "no-name-1"}
    change_facts(paths, imported=source)
    return paths


def build_promoted(runs: Path, name: str = "loss-weights-promoted-17", parent: str = "loss-weights") -> StudyPaths:
    """One trial of another study, run again at full length."""
    paths = build_study(runs, name, trials=1, running=1)
    change_facts(paths, promoted_from={"study": parent, "trial": 17})
    return paths
