"""The pruners of the study file: which trials are given up early."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from htr_tui.study import forms
from htr_tui.study.parameters import Count, NotNegative, Number, Section


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


class PercentilePruner(Section):
    """Like `median`, with another share of trials that may go on."""

    kind: Literal["percentile"] = "percentile"
    percentile: Annotated[Number, Field(ge=0, le=100)] = 25.0
    """A trial goes on while it is among the best so many percent at the same epoch."""
    n_startup_trials: NotNegative = 5
    """Complete trials before the first is pruned."""
    n_warmup_steps: NotNegative = 0
    """Epochs of each trial before it may be pruned."""
    interval_steps: Count = 1
    """Epochs between two decisions."""
    n_min_trials: Count = 1
    """Complete trials that must have reported the epoch."""


class HyperbandPruner(Section):
    """Gives many trials few epochs and the best of them more, in brackets of different patience."""

    kind: Literal["hyperband"] = "hyperband"
    max_resource: Annotated[Count, Field(ge=2)]
    """Epochs of a whole trial."""
    min_resource: Count = 1
    """Epochs that every trial gets."""
    reduction_factor: Annotated[Count, Field(ge=2)] = 3
    """One of so many trials goes on from each rung."""

    @model_validator(mode="after")
    def _check(self) -> HyperbandPruner:
        if self.min_resource >= self.max_resource:
            raise forms.form_error(
                f"min_resource {self.min_resource} is not below max_resource {self.max_resource}",
                allowed="fewer epochs than max_resource",
                path=("min_resource",),
            )
        return self


class ThresholdPruner(Section):
    """Prunes a trial whose objective leaves given bounds."""

    kind: Literal["threshold"] = "threshold"
    lower: Number | None = None
    """An epoch whose objective is below it ends the trial."""
    upper: Number | None = None
    """An epoch whose objective is above it ends the trial."""
    n_warmup_steps: NotNegative = 0
    """Epochs of each trial before it may be pruned."""
    interval_steps: Count = 1
    """Epochs between two decisions."""

    @model_validator(mode="after")
    def _check(self) -> ThresholdPruner:
        if self.lower is None and self.upper is None:
            raise forms.form_error("needs lower, upper or both", allowed="lower: number, upper: number")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise forms.form_error(
                f"lower {self.lower} is not below upper {self.upper}", allowed="lower < upper", path=("lower",)
            )
        return self


class WilcoxonPruner(Section):
    """Prunes a trial that a signed-rank test over the same epochs finds worse than the best trial; needs SciPy."""

    kind: Literal["wilcoxon"] = "wilcoxon"
    p_threshold: Annotated[Number, Field(gt=0, lt=1)] = 0.1
    """How sure it must be: smaller prunes less."""
    n_startup_steps: NotNegative = 2
    """Epochs in common before it decides."""


PlainPruner = NoPruner | MedianPruner | PercentilePruner | HyperbandPruner | ThresholdPruner | WilcoxonPruner
PLAIN_PRUNERS: Final[dict[str, type[Section]]] = {
    "none": NoPruner,
    "median": MedianPruner,
    "hyperband": HyperbandPruner,
    "percentile": PercentilePruner,
    "threshold": ThresholdPruner,
    "wilcoxon": WilcoxonPruner,
}


def _inner(value: Any) -> Any:
    return forms.choice(value, "pruner inside patient", PLAIN_PRUNERS)


class PatientPruner(Section):
    """Asks another pruner only about a trial that has stopped getting better."""

    kind: Literal["patient"] = "patient"
    patience: NotNegative
    """Epochs without a better value before the other pruner is asked."""
    min_delta: Annotated[Number, Field(ge=0)] = 0.0
    """How much better counts."""
    pruner: Annotated[Annotated[PlainPruner, Field(discriminator="kind")], BeforeValidator(_inner)] = NoPruner()
    """The other pruner, with its options; with `none` the trial is pruned at once."""


Pruner = PlainPruner | PatientPruner
PRUNERS: Final[dict[str, type[Section]]] = {**PLAIN_PRUNERS, "patient": PatientPruner}
