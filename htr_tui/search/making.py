"""New trials: drawn by a sampler, taken from a list, or wished by somebody; and those that a crash left half made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from htr_tui.search import translation
from htr_tui.search.choosing import listed_trials, trial_sampler
from htr_tui.search.distributions import plain_value, study_distributions, suggest
from htr_tui.study.conditions import choosing_order, is_active
from htr_tui.study.parameters import stored_form
from htr_tui.study.search_spec import SearchSpec

FIXED = "fixed_params"
"""Optuna's own name for parameters that its samplers must not choose."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A new trial: what is to be tried."""

    number: int
    params: dict[str, Any]
    label: str | None
    by: str | None = None
    """Who wished it: "hand" or "warm_start"; None for the search itself."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A trial that somebody asks for; parameters that are not given are left to the search."""

    params: dict[str, Any]
    """Checked by `pinned_parameters`."""
    label: str | None
    by: str


class TrialMaker:
    """Makes trials in Optuna's storage; it remembers nothing, so a new one after a crash makes the same."""

    def __init__(self, spec: SearchSpec, study_name: str) -> None:
        self.distributions = study_distributions(spec)
        self._spec = spec
        self._name = study_name
        self._listed = listed_trials(spec)
        self._order = choosing_order(spec.space)

    def is_exhausted(self, drawn: int) -> bool:
        """Whether a grid or list has no trial after the first `drawn`."""
        return self._listed is not None and self._listed.trial(drawn) is None

    def create(self, study: optuna.Study, number: int, drawn: int, wish: Wish | None) -> Asked:
        """A new trial, never one that waits: those are stopped ones (`Study.ask` would hand them out)."""
        storage, study_id = study._storage, study._study_id
        label, by = (wish.label, wish.by) if wish is not None else (None, None)
        if self._listed is not None:
            params, label = self._from_list(number, drawn, wish)
            storage.create_new_trial(study_id, self._template(params, label, by))
            return Asked(number, params, label, by)
        if wish is None:
            trial_id = storage.create_new_trial(study_id)
        else:
            fixed = {name: stored_form(value) for name, value in wish.params.items()}
            trial_id = storage.create_new_trial(study_id, self._template({}, label, by, {FIXED: fixed}))
        return Asked(number, self._suggest(study, trial_id, number), label, by)

    def _from_list(self, number: int, drawn: int, wish: Wish | None) -> tuple[dict[str, Any], str | None]:
        assert self._listed is not None
        if wish is not None:
            return self._listed.completed(wish.params, number), wish.label
        planned = self._listed.trial(drawn)
        assert planned is not None
        return planned

    def _template(
        self, params: dict[str, Any], label: str | None, by: str | None, system: dict[str, Any] | None = None
    ) -> FrozenTrial:
        stored = translation.storable(params, self.distributions)
        return create_trial(
            state=TrialState.RUNNING,
            params=stored,
            distributions={name: self.distributions[name] for name in stored},
            user_attrs={key: text for key, text in (("label", label), ("by", by)) if text is not None},
            system_attrs=system,
        )

    def _suggest(self, study: optuna.Study, trial_id: int, number: int) -> dict[str, Any]:
        # A study object of its own: Optuna's keeps the trials that its sampler saw until the next `Study.ask`.
        fresh = optuna.load_study(
            study_name=self._name, storage=study._storage, sampler=trial_sampler(self._spec, number)
        )
        trial = optuna.Trial(fresh, trial_id)
        space = self._spec.space
        params: dict[str, Any] = {}
        for name in self._order:
            if is_active(space[name], params):
                params[name] = plain_value(space[name], suggest(trial, name, self.distributions[name]))
        return {name: params[name] for name in space if name in params}

    def adopt(self, study: optuna.Study, frozen: FrozenTrial, drawn: int) -> Asked | None:
        """Finish a trial that was killed before the journal's line; None if it has to go.

        One that was typed by hand has to go: the command that wished it is still there and wishes it again.
        """
        number, label, by = frozen.number, frozen.user_attrs.get("label"), frozen.user_attrs.get("by")
        if by == "hand":
            return None
        params: dict[str, Any] = {}
        if self._listed is not None:
            planned = self._listed.trial(drawn)
            if planned is None or translation.storable(planned[0], self.distributions) != frozen.params:
                return None
            params, label = planned
        if frozen.state == TrialState.WAITING:
            study._storage.set_trial_state_values(frozen._trial_id, TrialState.RUNNING)
        if self._listed is None:
            try:
                params = self._suggest(study, frozen._trial_id, number)
            except ValueError:  # made for another space
                return None
        return Asked(number, params, label, by)
