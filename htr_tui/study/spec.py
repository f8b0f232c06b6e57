"""The study file as frozen models: what every key means, its type, its bounds, its default.

Imported by whoever launches a study, never by the panel or a quick command: pydantic is slow to load.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from htr_tui.journal.paths import STUDY_NAME
from htr_tui.study import forms
from htr_tui.study.abort import AbortRules
from htr_tui.study.budget_spec import BudgetSpec
from htr_tui.study.metrics_spec import SOURCES
from htr_tui.study.objective_spec import Objective, Objectives
from htr_tui.study.parameters import (
    CategoricalParameter,
    FixedParameter,
    FloatParameter,
    IntParameter,
    Line,
    Section,
    Whole,
)
from htr_tui.study.pruner_spec import PLAIN_PRUNERS, PRUNERS
from htr_tui.study.resources_spec import ResourcesSpec
from htr_tui.study.sampler_spec import SAMPLERS
from htr_tui.study.search_spec import Experiment, SearchSpec, WarmStart
from htr_tui.study.trainer_spec import ConfigFile, TrainerSpec

CATEGORIES: Final = (
    "gpu_oom", "cudnn_rnn_mask", "cudnn_init", "host_oom", "shm", "gpu_missing", "gpu_hardware", "nan_loss", "ctc",
    "shape_mismatch", "data_missing", "data_corrupt", "checkpoint_mismatch", "disk_full", "import_error", "bad_config",
    "tracking_error", "distributed", "preempted", "crash", "none", "lost", "aborted",
)  # fmt: skip
"""What `retries` may name: the categories of triage, "lost" (runner and trainer vanished without a
status) and "aborted" (a rule of `abort` struck)."""


class TrackingSpec(Section):
    """The MLflow store that mirrors the study; `tracking: none` turns it off."""

    uri: Line = "sqlite:///runs/mlflow.db"
    """Where: a database URL, an http(s) server, or a `file:` folder. Relative paths start at the launch folder."""
    experiment: Line | None = None
    """The MLflow experiment's name; the study's name when left out."""


class StudySpec(Section):
    """A whole study file."""

    study: Annotated[str, Field(pattern=rf"^{STUDY_NAME.pattern}$")]
    """The study's name, also its folder's: letters, digits, dot, dash, underscore."""
    trainer: TrainerSpec
    """What is run for a trial."""
    search: SearchSpec
    """Which parameters are tried."""
    objective: Objectives
    """What a trial is worth; a list makes the study multi-objective."""
    budget: BudgetSpec = BudgetSpec()
    """When the study is finished."""
    resources: ResourcesSpec = ResourcesSpec()
    """What the study may use of the machine."""
    retries: dict[
        Annotated[str, AfterValidator(lambda value: _category(value))], Annotated[Whole, Field(ge=0, le=100)]
    ] = {}
    """How often a trial is tried again by itself, by the category of its failure."""
    abort: AbortRules = ()
    """Rules that end an attempt early: the trial is then `failed` with the category `aborted`."""
    pause_after: Annotated[Whole, Field(ge=0, le=1000)] = 3
    """The study pauses by itself when its first trials, this many, all fail in the same way; 0 never does."""
    priority: Annotated[Whole, Field(ge=-100, le=100)] = 0
    """Which of several studies on a machine gets the next free device: the one with the larger number."""
    tracking: Annotated[TrackingSpec | None, BeforeValidator(lambda value: _tracking(value))] = TrackingSpec()
    """The MLflow mirror, or `none`."""
    storage: Line = "sqlite:///runs/optuna.db"
    """URL of Optuna's storage. A relative sqlite path starts at the launch folder."""

    @property
    def directions(self) -> tuple[str, ...]:
        """ "maximize" or "minimize" for each objective."""
        return tuple(item.direction for item in self.objective)

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment."""
        return (self.tracking.experiment if self.tracking else None) or self.study


SECTIONS: Final[dict[str, type[Section]]] = {
    "": StudySpec,
    "trainer": TrainerSpec,
    **{f"trainer.metrics.{name}": model for name, model in SOURCES.items()},
    "trainer.config": ConfigFile,
    "search": SearchSpec,
    **{f"search.sampler.{name}": model for name, model in SAMPLERS.items()},
    **{f"search.pruner.{name}": model for name, model in PRUNERS.items()},
    **{f"search.pruner.patient.pruner.{name}": model for name, model in PLAIN_PRUNERS.items()},
    "search.space.<float>": FloatParameter,
    "search.space.<int>": IntParameter,
    "search.space.<categorical>": CategoricalParameter,
    "search.space.<fixed>": FixedParameter,
    "search.experiments": Experiment,
    "search.warm_start": WarmStart,
    "objective": Objective,
    "budget": BudgetSpec,
    "resources": ResourcesSpec,
    "tracking": TrackingSpec,
}
"""Every mapping of the file by its place; error messages and the test of the documentation use it."""


def section_keys(model: type[Section]) -> tuple[str, ...]:
    """The keys that a mapping may have, as written in the file."""
    return tuple(field.alias or name for name, field in model.model_fields.items() if name != "kind")


def _category(value: str) -> str:
    if value not in CATEGORIES:
        raise forms.form_error(
            f"unknown category {value!r}", allowed=", ".join(CATEGORIES), suggestion=forms.nearest(value, CATEGORIES)
        )
    return value


def _tracking(value: Any) -> Any:
    if value == "none" or value is None:
        return None
    if isinstance(value, str):
        raise forms.form_error(
            f"found {forms.shown(value)}",
            allowed="none, or {uri: ..., experiment: ...}",
            suggestion=forms.nearest(value, ("none",)),
        )
    return value
