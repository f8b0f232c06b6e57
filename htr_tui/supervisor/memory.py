"""The sampler's memory kept in step with the journal: what cannot be told now is told later, and nothing waits for it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from htr_tui.errors import ForeignStudyError, StorageError, UsageError
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import TrialRecord
from htr_tui.search.making import Asked, Wish
from htr_tui.search.store import SearchStore
from htr_tui.study.command import resolve_uri
from htr_tui.study.pinned import pinned_parameters
from htr_tui.study.spec import StudySpec
from htr_tui.supervisor.warm import WarmStart

RETRY_S = 5.0
REPEAT_S = 600.0
HURRY_S = 3.0
"""How long `stop --now` waits for what is said of SETTLE_S."""
SETTLE_S = 30.0
"""How long the end of a study waits for a storage that does not answer; the next start repairs it anyway."""


class SearchMemory:
    """Wraps `SearchStore`: every refusal of the storage becomes a note and a later repair."""

    def __init__(self, spec: StudySpec, paths: StudyPaths, note: Callable[[str, str], None]) -> None:
        self._spec = spec
        self._paths = paths
        self._note = note
        self._store: SearchStore | None = None
        self._connected = False
        self._changed: set[int] = set()
        self._orphans: list[Asked] = []
        self._next_try = 0.0
        self._settle_until: float | None = None
        self._trouble = ""
        self._told: dict[str, float] = {}
        self._is_announced = False
        self._warm = WarmStart(spec, paths, note)

    def connect(self, fold: StudyFold) -> None:
        """Open the storage and bring it to the journal's state; later, if it does not answer."""
        storage = fold.facts.storage or resolve_uri(self._spec.storage, self._paths.root.parent.parent)
        self._warm.open(fold)
        self._store = SearchStore(self._spec.search, fold.facts.directions, storage, self._spec.study)
        self._repair(fold)

    def changed(self, trial: int) -> None:
        """The journal knows something new about a trial."""
        self._changed.add(trial)

    def heal(self, fold: StudyFold) -> None:
        """Tell the storage what changed; repair everything if it refused before."""
        if not self._connected:
            if time.monotonic() >= self._next_try:
                self._repair(fold)
            return
        for number in sorted(self._changed):
            trial = fold.trials.get(number)
            if trial is not None and not self._attempt(lambda store, t=trial: store.sync(t)):  # type: ignore[misc]
                return
            self._changed.discard(number)

    def settle(self, fold: StudyFold) -> bool:
        """Before the end: True once all is told, or the wait is over."""
        self.heal(fold)
        if self._connected and not self._changed:
            return True
        now = time.monotonic()
        self._settle_until = min(
            self._settle_until or math.inf, now + (HURRY_S if fold.stop_requested == "now" else SETTLE_S)
        )
        return now >= self._settle_until

    def take_orphans(self) -> list[Asked]:
        """Trials that the storage has and the journal has not; given out once."""
        orphans, self._orphans = self._orphans, []
        return orphans

    def ask(
        self,
        fold: StudyFold,
        *,
        pinned: Mapping[str, Any] | None = None,
        label: str | None = None,
        by: str | None = None,
    ) -> tuple[Asked | None, bool]:
        """(a new trial or None, whether the search is exhausted).

        With `by` a trial that somebody wishes: `pinned` are the parameters that they gave (UsageError if the study
        has no such, or not in that range), the search chooses the others. Without, what a warm start wishes comes first.
        """
        wish = self._warm.next(fold)
        if by is not None:
            wish = Wish(pinned_parameters(self._spec.search, pinned or {}), label, by)
        self.heal(fold)
        if not self._connected or self._orphans or self._store is None:
            return None, False
        asked: list[Asked | None] = []
        if not self._attempt(lambda store: asked.append(store.ask(wish))):
            return None, False
        if asked[0] is not None and asked[0].number != fold.next_number:
            self._connected = False
            return None, False
        return asked[0], asked[0] is None

    def should_prune(self, trial: TrialRecord) -> bool:
        """The pruner's word on a running trial; no answer is no."""
        if not self._connected:
            return False
        verdict: list[bool] = []

        def look(store: SearchStore) -> None:
            store.sync(trial)
            try:
                verdict.append(store.should_prune(trial))
            except StorageError:
                raise
            except Exception as error:
                self._warn(f"the pruner failed, trials go on without it: {type(error).__name__}: {error}")

        if not self._attempt(look):
            return False
        self._changed.discard(trial.number)  # all that is known of it was just told
        return any(verdict)

    @property
    def trouble(self) -> str | None:
        """Why there is no new trial now, in words; None if nothing hinders the search."""
        return f"the Optuna storage does not answer: {self._trouble}" if self._trouble else None

    def close(self) -> None:
        """Let go of the storage."""
        if self._store is not None:
            self._store.close()

    def _repair(self, fold: StudyFold) -> None:
        self._connected = True
        found: list[Asked] = []

        def all_of_it(store: SearchStore) -> None:
            store.connect()
            found.extend(store.reconcile(fold.trials))

        if self._attempt(all_of_it):
            self._orphans = found
            self._changed.clear()

    def _attempt(self, action: Callable[[SearchStore], Any]) -> bool:
        if self._store is None:
            return False
        try:
            action(self._store)
        except (ForeignStudyError, UsageError):
            raise
        except Exception as error:  # a sampler that fails is no reason to leave running trials alone
            self._connected = False
            self._next_try = time.monotonic() + RETRY_S
            self._trouble = str(error) if isinstance(error, StorageError) else f"{type(error).__name__}: {error}"
            self._warn(f"the Optuna storage does not answer, trials go on: {self._trouble}")
            return False
        if self._trouble:
            self._trouble = ""
            if self._is_announced:
                self._is_announced = False
                self._note("info", "the Optuna storage answers again")
        return True

    def _warn(self, text: str) -> None:
        """Tell the user; the same only now and then, for some troubles come and go every few seconds."""
        now = time.monotonic()
        if now - self._told.get(text, -REPEAT_S) >= REPEAT_S:
            self._told[text] = now
            self._is_announced = True
            self._note("warning", text)
