"""The warm start of a study: planned once, before its first trial, and kept in a file so that no restart repeats it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from htr_tui.errors import StorageError
from htr_tui.files import write_json
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.search.making import Wish
from htr_tui.search.warm_start import plan_warm_start
from htr_tui.study.spec import StudySpec
from htr_tui.study.warm_source import locate


class WarmStart:
    """Hands out the wishes that the journal has no trial of yet: the journal alone tells how far it got."""

    def __init__(self, spec: StudySpec, paths: StudyPaths, note: Callable[[str, str], None]) -> None:
        self._spec = spec
        self._file = paths.root / "warm_start.json"
        self._base = paths.root.parent.parent
        self._note = note
        self._wishes: tuple[Wish, ...] = ()

    def open(self, fold: StudyFold) -> None:
        """Read the plan, or make it before the first trial; a source that cannot be read is told and left out."""
        warm = self._spec.search.warm_start
        if warm is None:
            return
        if self._file.exists():
            self._wishes = self._read()
        elif not fold.trials:
            try:
                plan = plan_warm_start(self._spec.search, locate(warm, self._base, self._spec.study), warm.best)
            except (StorageError, ValueError) as error:
                self._note("error", f"no warm start: {error}")
                return
            write_json(self._file, {"trials": [{"params": w.params, "label": w.label} for w in plan.wishes]})
            self._wishes = plan.wishes
            for text in plan.notes:
                self._note("warning", text)

    def next(self, fold: StudyFold) -> Wish | None:
        """The next wish that is no trial yet."""
        if not self._wishes:
            return None
        done = sum(trial.by == "warm_start" for trial in fold.trials.values())
        if done >= len(self._wishes):
            self._wishes = ()
            return None
        return self._wishes[done]

    def _read(self) -> tuple[Wish, ...]:
        try:
            trials: list[dict[str, Any]] = json.loads(Path(self._file).read_text(encoding="utf-8"))["trials"]
            return tuple(Wish(dict(t["params"]), str(t["label"]), "warm_start") for t in trials)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._note("error", f"the rest of the warm start is lost: {self._file} cannot be read: {error}")
            return ()
