"""The study file as frozen models: what every key means, its type, its bounds, its default.

Imported by whoever launches a study, never by the panel or a quick command: pydantic is slow to load.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from htr_tui.journal.paths import STUDY_NAME
from htr_tui.study import forms
from htr_tui.study.expression import Expression
from htr_tui.study.parameters import (
    CategoricalParameter,
    Count,
    FixedParameter,
    FloatParameter,
    IntParameter,
    Line,
    NotNegative,
    Number,
    ParameterField,
    ParameterName,
    Positive,
    Scalar,
    Section,
    Seed,
    Switch,
    Token,
    Variable,
    Whole,
)

CATEGORIES: Final = (
    "gpu_oom", "cudnn_rnn_mask", "cudnn_init", "host_oom", "shm", "gpu_missing", "gpu_hardware", "nan_loss", "ctc",
    "shape_mismatch", "data_missing", "data_corrupt", "checkpoint_mismatch", "disk_full", "import_error", "bad_config",
    "tracking_error", "distributed", "preempted", "crash", "none", "lost",
)  # fmt: skip
"""What `retries` may name: the categories of triage, and "lost" (runner and trainer vanished without a status)."""

PLANNED_SAMPLERS: Final = ("gp", "cmaes", "nsga2", "qmc")
PLANNED_PRUNERS: Final = ("hyperband", "percentile", "patient")
PLANNED_METRICS: Final = ("log", "json", "csv", "tensorboard", "mlflow")
PLACEHOLDERS: Final = (
    "attempt_dir", "overrides", "study", "trial", "attempt", "params_file", "overrides_file", "resume_dir", "python",
)  # fmt: skip
"""Words in braces that a command may use besides the names of parameters."""


class TrainerSpec(Section):
    """What is run for a trial."""

    command: Annotated[tuple[Token, ...], Field(min_length=1, max_length=1000)]
    """The trainer's command as a list of words; no shell reads it. Words in braces are replaced."""
    env: dict[Variable, Token] = {}
    """Environment variables added to the trainer's."""
    metrics: Annotated[Literal["events"], BeforeValidator(lambda value: _metrics(value))] = "events"
    """Where metrics come from: `events`, the file that `HTR_TUI_EVENTS` names."""
    knobs: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")], ParameterName] = {}
    """What a fix may turn, by the name of the trainer's own parameter, as `batch: train.batch`."""
    reports: tuple[Line, ...] | None = None
    """The metrics that the trainer reports; the objective is checked against them when given."""
    grace_s: Annotated[Number, Field(ge=1, le=86_400)] = 120.0
    """Seconds between the request to stop (SIGTERM) and SIGKILL."""


class TpeSampler(Section):
    """Tree-structured Parzen estimator: learns from finished trials."""

    kind: Literal["tpe"] = "tpe"
    seed: Seed | None = None
    """Makes the study reproducible, trials in sequence; without it every run differs."""
    n_startup_trials: NotNegative = 10
    """Random trials before it learns."""
    multivariate: Switch = True
    """Considers parameters together."""


class RandomSampler(Section):
    """Independent random draws."""

    kind: Literal["random"] = "random"
    seed: Seed | None = None
    """Makes the draws reproducible."""


class GridSampler(Section):
    """Every combination, in the order of the file, the last parameter changing fastest."""

    kind: Literal["grid"] = "grid"
    points: Annotated[Whole, Field(ge=1, le=10_000)] = 5
    """How many values of each float range that has no step."""
    values: dict[ParameterName, Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=10_000)]] = {}
    """Explicit values of a parameter, within its range, instead of the points."""


class NoPruner(Section):
    """Every trial runs to its end."""

    kind: Literal["none"] = "none"


class MedianPruner(Section):
    """Prunes a trial whose best value so far is worse than the median of others at the same epoch."""

    kind: Literal["median"] = "median"
    n_startup_trials: NotNegative = 5
    """Complete trials before the first is pruned."""
    n_warmup_steps: NotNegative = 0
    """Epochs of each trial before it may be pruned."""
    interval_steps: Count = 1
    """Epochs between two decisions."""
    n_min_trials: Count = 1
    """Complete trials that must have reported the epoch."""


Sampler = TpeSampler | RandomSampler | GridSampler
Pruner = NoPruner | MedianPruner
SAMPLERS: Final = {"tpe": TpeSampler, "random": RandomSampler, "grid": GridSampler}
PRUNERS: Final = {"none": NoPruner, "median": MedianPruner}


class Experiment(Section):
    """One named set of parameters."""

    name: Line
    """What the trial is called in tables."""
    params: dict[ParameterName, Scalar]
    """Its parameters."""


class SearchSpec(Section):
    """Which parameters are tried: a sampler over a space, or a list of experiments."""

    sampler: Annotated[
        Annotated[Sampler, Field(discriminator="kind")],
        BeforeValidator(lambda value: forms.choice(value, "sampler", SAMPLERS, PLANNED_SAMPLERS)),
    ] = TpeSampler()
    """How parameters are chosen: `tpe`, `random` or `grid`, alone or with options."""
    pruner: Annotated[
        Annotated[Pruner, Field(discriminator="kind")],
        BeforeValidator(lambda value: forms.choice(value, "pruner", PRUNERS, PLANNED_PRUNERS)),
    ] = NoPruner()
    """Which trials are given up early: `none` or `median`."""
    space: Annotated[dict[ParameterName, ParameterField], Field(max_length=200)] = {}
    """Parameters by name: `{float: [low, high]}`, `{int: [low, high]}`, `{categorical: [...]}`, or a fixed value."""
    experiments: Annotated[tuple[Experiment, ...], Field(max_length=10_000)] = ()
    """Named trials in their order, instead of sampler and space."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters, in the order of the file."""
        if self.experiments:
            return tuple(dict.fromkeys(name for item in self.experiments for name in item.params))
        return tuple(self.space)


class Objective(Section):
    """What a trial is worth."""

    maximize: Line | None = None
    """An expression over metric names that shall be large."""
    minimize: Line | None = None
    """An expression over metric names that shall be small."""
    source: Annotated[Literal["best", "last"], Field(alias="from")] = "best"
    """The epoch that counts: the best one or the last one."""

    @model_validator(mode="after")
    def _check(self) -> Objective:
        if (self.maximize is None) == (self.minimize is None):
            raise forms.form_error("needs one of maximize and minimize", allowed='maximize: "expression"')
        try:
            Expression.parse(self.text)
        except ValueError as error:
            allowed = "metric names, numbers, + - * / **, parentheses, min max abs log exp sqrt"
            raise forms.form_error(f"{self.text!r}: {error}", allowed=allowed, path=(self.direction,)) from None
        return self

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way is better."""
        return "maximize" if self.maximize is not None else "minimize"

    @property
    def text(self) -> str:
        """The expression as written."""
        return self.maximize or self.minimize or ""

    @property
    def expression(self) -> Expression:
        """The expression, parsed."""
        return Expression.parse(self.text)


Objectives = Annotated[tuple[Objective, ...], Field(min_length=1, max_length=8), BeforeValidator(forms.objectives)]


class BudgetSpec(Section):
    """When a study is finished."""

    trials: Count | None = None
    """How many trials; a grid or a list of experiments is finished earlier."""
    hours: Positive | None = None
    """Hours after which no new trial starts."""


class ResourcesSpec(Section):
    """What a study may use of the machine."""

    gpus: Annotated[str | int | tuple[int | str, ...], BeforeValidator(forms.gpus)] = "auto"
    """`auto` (all that are there), `none`, how many, or a list of indices or UUIDs."""
    trials_per_gpu: Annotated[Whole, Field(ge=1, le=64)] = 1
    """Trials that share one GPU."""
    parallel: Annotated[Whole, Field(ge=1, le=1024)] = 1
    """Trials that run at the same time, at most."""


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
    "search": SearchSpec,
    "search.sampler.tpe": TpeSampler,
    "search.sampler.random": RandomSampler,
    "search.sampler.grid": GridSampler,
    "search.pruner.none": NoPruner,
    "search.pruner.median": MedianPruner,
    "search.space.<float>": FloatParameter,
    "search.space.<int>": IntParameter,
    "search.space.<categorical>": CategoricalParameter,
    "search.space.<fixed>": FixedParameter,
    "search.experiments": Experiment,
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


def _metrics(value: Any) -> Any:
    name = next(iter(value), None) if isinstance(value, dict) else value
    if name in PLANNED_METRICS:
        raise forms.form_error(f"metrics from {name!r} are planned, not yet supported", allowed="events")
    if value != "events":
        suggestion = forms.nearest(name, ("events",)) if isinstance(name, str) else ""
        raise forms.form_error(f"found {forms.shown(value)}", allowed="events", suggestion=suggestion)
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
