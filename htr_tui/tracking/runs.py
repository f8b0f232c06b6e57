"""The runs of one study in a tracking store: found again by their tags, made, changed, deleted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import STUDY_NAME, StudyPaths
from htr_tui.journal.records import StudyFacts, TrialRecord
from htr_tui.tracking import plan
from htr_tui.tracking.client import KEY, KIND, PARENT, TRIAL, Refused, RunFacts, StoreFailure, TrackingStore
from htr_tui.tracking.names import MAX_NAME, MAX_PARAM, MAX_TAG, clean_text, texts
from htr_tui.tracking.plan import Point
from htr_tui.tracking.state import StudyMemory, run_id_of

BEST_NAME = "HPO_Best_Result"


def study_key(facts: StudyFacts) -> str:
    """Finds a study's runs again; the same after its folder was moved."""
    text = f"{facts.study}\n{facts.created!r}\n{facts.source_sha256}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


class StudyRuns:
    """A parent run, a run per trial, and the best result; with the study's part of the mirror's memory.

    What is made is remembered at once; what was made but not remembered is found by `connect`.
    """

    def __init__(self, paths: StudyPaths, make_store: Callable[[], TrackingStore]) -> None:
        self.memory = replace(StudyMemory.load(paths), drained=False)
        self._paths = paths
        self._make_store = make_store
        self._store: TrackingStore | None = None

    @property
    def is_connected(self) -> bool:
        """Whether what is in the store was looked at and nothing failed since."""
        return self._store is not None

    @property
    def store(self) -> TrackingStore:
        """The store, once connected."""
        if self._store is None:
            raise StoreFailure("not connected")
        return self._store

    def disconnect(self) -> None:
        """Look again at what is there before the next word: perhaps runs are gone."""
        self._store = None

    def save(self, memory: StudyMemory) -> None:
        """Remember."""
        memory.save(self._paths)
        self.memory = memory

    # -- connecting ------------------------------------------------------------------------------------------------

    def connect(self, facts: StudyFacts) -> list[RunFacts]:
        """Find or make experiment and parent run; the trials' runs that are there, oldest first."""
        store = self._make_store()
        experiment_id = store.experiment(clean_text(facts.experiment or facts.study, MAX_NAME))
        runs = store.study_runs(experiment_id, study_key(facts))
        parents = [run for run in runs if run.kind == "study"]
        if parents:
            parent_id, status = parents[0].run_id, parents[0].status
        else:
            tags = {KEY: study_key(facts), KIND: "study", "htr_tui.path": str(self._paths.root), **self._origin(facts)}
            tags = texts({**tags, "htr_tui.study": facts.study}, MAX_TAG)
            name, start_ms = clean_text(facts.study, MAX_NAME), plan.milliseconds(facts.created, time.time())
            parent_id, status = store.create_run(experiment_id, name, tags, start_ms), plan.RUNNING
        self._store = store
        self._adopt_best([run for run in runs if run.kind == "best"])
        self.save(
            replace(
                self.memory,
                uri=facts.tracking_uri,
                experiment_id=experiment_id,
                parent_run_id=parent_id,
                parent_status=status,
            )
        )
        return [run for run in runs if run.kind == "trial" and run.trial is not None]

    def _origin(self, facts: StudyFacts) -> dict[str, str]:
        """A promoted study's run is the child of the run of the trial that it came from."""
        origin = facts.promoted_from
        if origin is None or not STUDY_NAME.fullmatch(origin.study):
            return {}
        parent = StudyPaths(self._paths.root.parent / origin.study)
        run_id = run_id_of(parent, origin.trial)
        tags = {"htr_tui.promoted_from": f"{origin.study} #{origin.trial}"}
        return {**tags, PARENT: run_id} if run_id is not None else tags

    def _adopt_best(self, runs: Sequence[RunFacts]) -> None:
        """One best run stays; if it is not the remembered one, what it holds is not known."""
        kept = next((run for run in runs if run.run_id == self.memory.best_run_id), runs[0] if runs else None)
        for run in runs:
            if run is not kept:
                self.store.delete_run(run.run_id)
        is_known = kept is not None and kept.run_id == self.memory.best_run_id
        self.memory = replace(
            self.memory,
            best_run_id=kept.run_id if kept else None,
            best_trial=self.memory.best_trial if is_known else None,
        )

    # -- runs ------------------------------------------------------------------------------------------------------

    def create(self, facts: StudyFacts, name: str, kind: str, tags: Mapping[str, str], start: float | None) -> str:
        """A new child of the study's run."""
        own = {KEY: study_key(facts), KIND: kind, PARENT: str(self.memory.parent_run_id)}
        start_ms = plan.milliseconds(start, time.time())
        return self.store.create_run(str(self.memory.experiment_id), name, {**own, **texts(tags, MAX_TAG)}, start_ms)

    def create_trial(self, fold: StudyFold, number: int, trial: TrialRecord | None) -> str:
        """A new run of a trial, which may not exist yet."""
        start = (trial.attempts[0].started if trial.attempts else trial.created) if trial is not None else None
        return self.create(fold.facts, plan.run_name(trial, number), "trial", {TRIAL: str(number)}, start)

    def log(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Tell it all; of what the store refuses as little as possible is left out, and counted."""
        if not (points or params or tags):
            return
        try:
            self.store.log(run_id, points, params, tags)
        except Refused:
            if len(points) + len(params) + len(tags) == 1:
                self.memory = replace(self.memory, refused=self.memory.refused + 1)
            elif params or tags:
                for name, text in params.items():
                    self.log(run_id, (), {name: text}, {})
                for name, text in tags.items():
                    self.log(run_id, (), {}, {name: text})
                self.log(run_id, points, {}, {})
            else:
                half = len(points) // 2
                self.log(run_id, points[:half], {}, {})
                self.log(run_id, points[half:], {}, {})

    def make_ahead(self, fold: StudyFold, numbers: Collection[int]) -> bool:
        """Runs for trials that may start next, so that their trainers can be told the id; True if any was made."""
        missing = [number for number in numbers if number not in self.memory.ahead]
        for number in missing:
            run_id = self.create_trial(fold, number, fold.trials.get(number))
            self.save(replace(self.memory, ahead={**self.memory.ahead, number: run_id}))
            self.store.set_status(run_id, plan.SCHEDULED, None)
        return bool(missing)

    def take_ahead(self, number: int) -> None:
        """A trial's own memory holds its run now."""
        if number in self.memory.ahead:
            self.save(replace(self.memory, ahead={n: r for n, r in self.memory.ahead.items() if n != number}))

    def remove_ahead(self, fold: StudyFold) -> bool:
        """Delete the runs of trials that never came to be; True if there were any."""
        unused = [number for number in self.memory.ahead if number not in fold.trials]
        for number in unused:
            self.store.delete_run(self.memory.ahead[number])
            self.take_ahead(number)
        return bool(unused)

    def set_parent(self, fold: StudyFold, *, interrupted: bool) -> bool:
        """The study's own status; True if it changed."""
        status = plan.parent_status(fold, interrupted=interrupted)
        if self.memory.parent_status == status:
            return False
        end_ms = plan.milliseconds(fold.last_t, time.time()) if status in plan.ENDED else None
        self.store.set_status(str(self.memory.parent_run_id), status, end_ms)
        self.save(replace(self.memory, parent_status=status))
        return True

    def set_best(self, fold: StudyFold, best: TrialRecord | None, best_run_id: str | None) -> bool:
        """The best trial as a run of its own; another trial needs another run, for parameters cannot change."""
        if (best.number if best is not None else None) == self.memory.best_trial and (
            best or not self.memory.best_run_id
        ):
            return False
        if self.memory.best_run_id is not None:
            self.store.delete_run(self.memory.best_run_id)
            self.save(replace(self.memory, best_run_id=None, best_trial=None))
        if best is None:
            return True
        tags = {TRIAL: str(best.number), "htr_tui.run_id": best_run_id or ""}
        run_id = self.create(fold.facts, BEST_NAME, "best", tags, best.created)
        self.save(replace(self.memory, best_run_id=run_id, best_trial=None))
        self.log(run_id, plan.best_points(best), texts(best.params, MAX_PARAM), {})
        self.store.set_status(run_id, plan.FINISHED, plan.milliseconds(best.ended, best.created))
        self.save(replace(self.memory, best_trial=best.number))
        return True
