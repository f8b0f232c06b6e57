"""The study of one promoted trial: the same trainer and objective, its parameters alone, nothing searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from htr_tui.errors import UsageError
from htr_tui.study.rendering import unreached
from htr_tui.study.safe_yaml import dump_yaml, read_yaml
from htr_tui.study.spec import StudySpec

_OF_A_SEARCH = ("search", "budget", "abort", "pause_after", "study", "tracking")


def promoted_text(
    text: str,
    file: str,
    spec: StudySpec,
    name: str,
    label: str,
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    template: str | None = None,
) -> str:
    """A study file called `name` with one experiment: the trial's `params` with what is `given` over them.

    `text` is the parent's study file, `template` that of its trainer's config. UsageError if something given cannot reach the trainer.
    """
    _refuse_unreachable(spec, given, params, template)
    parent = read_yaml(text, file).value
    kept = {key: value for key, value in parent.items() if key not in _OF_A_SEARCH}
    tracking: Any = "none"
    if spec.tracking is not None:
        tracking = {"uri": spec.tracking.uri, "experiment": spec.experiment}
    experiment = {"name": label, "params": {**params, **given}}
    return dump_yaml({"study": name, **kept, "search": {"experiments": [experiment]}, "tracking": tracking})


def _refuse_unreachable(
    spec: StudySpec, given: Mapping[str, Any], params: Mapping[str, Any], template: str | None
) -> None:
    """A parameter that no word of the command, environment or config file takes would be changed in vain."""
    for name in unreached(spec.trainer, given, template):
        taken = sorted(set(params) - set(unreached(spec.trainer, params, template)))
        raise UsageError(
            f"--set {name}: the trainer's command does not take it",
            f"the command takes {', '.join(taken) or 'no parameters'}",
            "give it in the study file of a new study",
        )
