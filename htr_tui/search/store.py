"""Ask, tell and prune through Optuna, always brought in line with the journal.

The journal is the truth. Whatever was killed between two steps, `reconcile` gives Optuna the journal's state: missing
trials are added, ended ones are told, retried ones are opened again. Where Optuna's trials are not the journal's at all,
a copy of the whole study is made from the journal; it takes the old one's place only when it is whole.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from htr_tui.errors import ForeignStudyError, StorageError
from htr_tui.journal.records import TrialRecord
from htr_tui.search import database, translation
from htr_tui.search.choosing import lost_rungs, study_pruner
from htr_tui.search.evolution import lost_generations
from htr_tui.search.making import Asked, TrialMaker, Wish
from htr_tui.study.search_spec import SearchSpec


class SearchStore:
    """The sampler's memory of one study; the only writer of it.

    After a StorageError the store is disconnected: nothing is half done that `reconcile`, which connects again, does
    not put right. `ask`, `sync` and `should_prune` then refuse until it was called.
    """

    def __init__(
        self,
        spec: SearchSpec,
        directions: tuple[str, ...],
        storage: str,
        study: str,
        *,
        timeout_s: float = 5.0,
    ) -> None:
        self._spec = spec
        self._directions = [StudyDirection[name.upper()] for name in directions]
        self._url = database.parse_url(storage)
        self._name = study
        self._timeout_s = timeout_s
        with database.quiet():
            self._maker = TrialMaker(spec, study)
        self._distributions = self._maker.distributions
        self._backend: optuna.storages.RDBStorage | None = None
        self._connected: optuna.Study | None = None
        self._identity: tuple[int, int] | None = None
        self._next: int | None = None
        """Number of the next trial; None until Optuna and the journal agree."""
        self._drawn = 0
        """How many of the trials before it the search itself chose."""

    # -- the public steps --------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the storage, making it and the study where missing; does nothing while connected."""
        if self._connected is not None:
            return
        with self._guard("open the study"):
            self._open()

    def reconcile(self, trials: Mapping[int, TrialRecord]) -> list[Asked]:
        """Bring Optuna to the journal's state; returns the trials that only Optuna knows, for the journal."""
        if self._connected is not None and self._is_replaced():
            self.close()
        self.connect()
        with self._guard("repair the study"):
            self._check_file()
            count = max(trials, default=-1) + 1
            found = self._all_trials()
            self._refuse_foreign(found[count:])
            if self._has_other_trials(found[:count], trials):
                self._rebuild(self._wanted_trials(found[:count], trials) + found[count:])
            else:
                self._reopen([f for f in found[:count] if f.number in trials], trials)
            found = self._all_trials()
            marks = self._lost_marks(trials, found)
            for number in range(count):
                if number >= len(found):
                    self._study.add_trial(self._wanted_trial(trials.get(number), None, marks))
                else:
                    self._bring(found[number], trials.get(number))
            self._next = count
            self._drawn = sum(self._is_drawn(n, trials, found) for n in range(count))
            return self._adopt_rest(found[count:])

    def ask(self, wish: Wish | None = None) -> Asked | None:
        """Create the next trial, or one that somebody wishes; None when a grid or a list of experiments is used up."""
        with self._guard("create a trial"):
            number = self._expected_number()
            if wish is None and self._maker.is_exhausted(self._drawn):
                return None
            self._check_file()
            assert self._backend is not None
            found = database.count_trials(self._backend, self._study._study_id)
            if found != number:
                raise StorageError(
                    f"Optuna has {found} trials of {self._name}, the journal {number}",
                    self._place,
                    "another program wrote to the study; it is compared with the journal again",
                )
            asked = self._maker.create(self._study, number, self._drawn, wish)
            self._next = number + 1
            self._drawn += asked.by is None
            return asked

    def sync(self, trial: TrialRecord) -> None:
        """Tell Optuna one trial's intermediate values and state; telling it again changes nothing."""
        with self._guard(f"record trial {trial.number}"):
            self._check_file()
            frozen = self._frozen(trial.number)
            if translation.is_other_trial(frozen, trial, self._distributions):
                raise StorageError(
                    f"Optuna has another trial {trial.number} of {self._name}", self._place, "it is repaired by itself"
                )
            if self._reopen([frozen], {trial.number: trial}):
                frozen = self._frozen(trial.number)
            self._bring(frozen, trial)

    def should_prune(self, trial: TrialRecord) -> bool:
        """Whether the pruner would give the trial up at its newest epoch."""
        if len(self._directions) > 1 or trial.epoch is None or trial.epoch not in trial.reported:
            return False
        if isinstance(self._study.pruner, optuna.pruners.NopPruner):
            return False
        with self._guard("decide on pruning"):
            steps = translation.wanted_steps(trial)
            if not steps or math.isnan(steps[max(steps)]):
                return False  # a NaN is a failure to explain, not a bad trial
            frozen = copy.copy(self._frozen(trial.number))
            frozen.intermediate_values = steps
            return bool(self._study.pruner.prune(self._study, frozen))

    def close(self) -> None:
        """Let the database go; the store can be connected again."""
        backend, self._backend, self._connected, self._next = self._backend, None, None, None
        if backend is not None:
            backend.remove_session()
            backend.engine.dispose()

    # -- connection --------------------------------------------------------------------------------------------------

    @contextmanager
    def _guard(self, action: str) -> Iterator[None]:
        """Troubles of the storage as StorageError, after which the store is disconnected."""
        with database.quiet():
            try:
                yield
            except StorageError:
                self.close()
                raise
            except database.TROUBLES as error:
                self.close()
                raise database.storage_error(error, action, self._url) from error

    @property
    def _study(self) -> optuna.Study:
        if self._connected is None:
            raise StorageError(f"not connected to Optuna's storage of {self._name}", self._place, "reconcile first")
        return self._connected

    @property
    def _place(self) -> str:
        return str(database.sqlite_path(self._url) or self._url.render_as_string(hide_password=True))

    @property
    def _spare_name(self) -> str:
        """Name of an unfinished copy; no study of ours can be called so."""
        return f"{self._name}~rebuild"

    def _open(self) -> None:
        self._backend = database.open_storage(self._url, self._timeout_s)
        path = database.sqlite_path(self._url)
        self._identity = _file_identity(path) if path else None
        names = {s.study_name for s in self._backend.get_all_studies()}
        if self._spare_name in names:
            if self._name in names:
                optuna.delete_study(study_name=self._spare_name, storage=self._backend)
            else:  # killed between taking the old study away and naming the copy
                database.rename_study(self._backend, self._spare_name, self._name)
        self._connected = self._load(self._name)
        if self._connected.directions != self._directions:
            found = ", ".join(d.name.lower() for d in self._connected.directions)
            raise StorageError(
                f"the storage has a study {self._name} with other directions ({found})", self._place, self._foreign_hint
            )
        if self._is_replaced():  # between the look at it and the first word with it
            raise StorageError("Optuna's storage was deleted or replaced", self._place, "it is opened again by itself")
        self._next = None if self._all_trials() else 0

    def _load(self, name: str) -> optuna.Study:
        return optuna.create_study(
            study_name=name,
            storage=self._backend,
            directions=self._directions,
            load_if_exists=True,
            pruner=study_pruner(self._spec),
            sampler=optuna.samplers.RandomSampler(seed=0),
        )

    def _check_file(self) -> None:
        """Notice at once a SQLite file that is locked, or was deleted or replaced under the open connection."""
        self._study  # noqa: B018 - refuses when not connected
        if self._is_replaced():
            raise StorageError(
                "Optuna's storage was deleted or replaced", self._place, "it is rebuilt from the journal by itself"
            )
        if (path := database.sqlite_path(self._url)) is not None:
            database.check_writable(path, self._timeout_s)

    def _is_replaced(self) -> bool:
        path = database.sqlite_path(self._url)
        return path is not None and _file_identity(path) != self._identity

    # -- trials ------------------------------------------------------------------------------------------------------

    def _all_trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _frozen(self, number: int) -> FrozenTrial:
        storage = self._study._storage
        return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number))

    def _expected_number(self) -> int:
        self._study  # noqa: B018 - refuses when not connected
        if self._next is None:
            raise StorageError(f"Optuna's trials of {self._name} are not compared with the journal", self._place)
        return self._next

    def _bring(self, frozen: FrozenTrial, trial: TrialRecord | None) -> None:
        """Write what differs to a trial that does not contradict the journal."""
        if frozen.state.is_finished():
            return
        storage, trial_id = self._study._storage, frozen._trial_id
        if trial is None:
            storage.set_trial_user_attr(trial_id, "category", "lost")
            storage.set_trial_state_values(trial_id, TrialState.FAIL)
            return
        steps = translation.wanted_steps(trial)
        if stale := frozen.intermediate_values.keys() - steps.keys():
            assert self._backend is not None
            database.forget_steps(self._backend, trial_id, stale)
        for step, value in steps.items():
            if step not in frozen.intermediate_values or not translation.same(frozen.intermediate_values[step], value):
                storage.set_trial_intermediate_value(trial_id, step, value)
        attributes = translation.wanted_attributes(trial)
        if "category" in frozen.user_attrs:
            attributes.setdefault("category", None)
        for key, content in attributes.items():
            if key not in frozen.user_attrs or frozen.user_attrs[key] != content:
                storage.set_trial_user_attr(trial_id, key, content)
        for key, content in translation.wanted_marks(trial).items():
            if frozen.system_attrs.get(key) != content:
                storage.set_trial_system_attr(trial_id, key, content)
        state, values = translation.wanted_state(trial, len(self._directions))
        if state == frozen.state:
            return
        if state.is_finished():
            self._study.sampler.after_trial(self._study, frozen, state, values)
        storage.set_trial_state_values(trial_id, state, values)

    # -- repair ------------------------------------------------------------------------------------------------------

    def _has_other_trials(self, found: list[FrozenTrial], trials: Mapping[int, TrialRecord]) -> bool:
        return any(
            translation.is_other_trial(frozen, trials[frozen.number], self._distributions)
            for frozen in found
            if frozen.number in trials
        )

    def _reopen(self, found: list[FrozenTrial], trials: Mapping[int, TrialRecord]) -> bool:
        """Open the trials again that are finished in a way that the journal does not know; False if there are none."""
        closed = [f for f in found if translation.is_closed_wrongly(f, trials[f.number], len(self._directions))]
        if not closed:
            return False
        assert self._backend is not None
        database.reopen_trials(self._backend, [f._trial_id for f in closed])
        self._connected = self._load(self._name)  # Optuna remembers finished trials for good
        return True

    def _wanted_trials(self, found: list[FrozenTrial], trials: Mapping[int, TrialRecord]) -> list[FrozenTrial]:
        known = {frozen.number: frozen for frozen in found}
        marks = self._lost_marks(trials, found)
        return [self._wanted_trial(trials.get(n), known.get(n), marks) for n in range(max(trials, default=-1) + 1)]

    def _wanted_trial(
        self, trial: TrialRecord | None, old: FrozenTrial | None, marks: dict[int, dict[str, Any]]
    ) -> FrozenTrial:
        if trial is None:
            return old if old is not None and old.state.is_finished() else translation.lost_trial()
        own = marks.get(trial.number, {})
        return translation.frozen_trial(trial, old, len(self._directions), self._distributions, own)

    def _lost_marks(self, trials: Mapping[int, TrialRecord], found: list[FrozenTrial]) -> dict[int, dict[str, Any]]:
        """What sampler and pruner noted at trials that the storage has lost, worked out again."""
        lost = trials.keys() - {frozen.number for frozen in found}
        if not lost:
            return {}
        generations = lost_generations(self._spec, trials)
        steps = {number: translation.wanted_steps(trials[number]) for number in lost}
        return {n: generations.get(n, {}) | lost_rungs(self._spec, self._study, n, steps[n]) for n in lost}

    def _is_drawn(self, number: int, trials: Mapping[int, TrialRecord], found: list[FrozenTrial]) -> bool:
        """Whether the search chose a trial; of one that the journal lost, Optuna may know."""
        if number in trials:
            return trials[number].by is None
        return number >= len(found) or found[number].user_attrs.get("by") is None

    def _rebuild(self, wanted: list[FrozenTrial]) -> None:
        """Replace the study by a copy with these trials; a kill at any moment leaves the old or the new one whole."""
        assert self._backend is not None
        old, expected = self._study, self._next
        spare = self._load(self._spare_name)
        for name, value in old.user_attrs.items():
            spare.set_user_attr(name, value)
        for frozen in wanted:
            spare.add_trial(frozen)
        optuna.delete_study(study_name=self._name, storage=self._backend)
        database.rename_study(self._backend, self._spare_name, self._name)
        self._connected = self._load(self._name)
        self._next = expected

    def _refuse_foreign(self, extra: list[FrozenTrial]) -> None:
        """Finished trials of which the journal knows nothing belong to somebody else: never take or delete them."""
        finished = [frozen for frozen in extra if frozen.state.is_finished()]
        if finished:
            raise ForeignStudyError(
                f"the storage has {len(finished)} finished trials of a study {self._name} that this journal does not know",
                self._place,
                self._foreign_hint,
            )

    @property
    def _foreign_hint(self) -> str:
        url = self._url.render_as_string(hide_password=True)
        return (
            "give the study another name or storage, or remove the old one:"
            f" optuna delete-study --study-name {self._name} --storage {url}"
        )

    def _adopt_rest(self, extra: list[FrozenTrial]) -> list[Asked]:
        """Finish what was killed between Optuna's new trial and the journal's line; drop what cannot be finished."""
        assert self._next is not None
        asked: list[Asked] = []
        for frozen in extra:
            adopted = self._maker.adopt(self._study, frozen, self._drawn)
            if adopted is None:
                self._rebuild(self._all_trials()[: frozen.number])
                break
            asked.append(adopted)
            self._drawn += adopted.by is None
        self._next += len(asked)
        return asked


def _file_identity(path: Any) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
