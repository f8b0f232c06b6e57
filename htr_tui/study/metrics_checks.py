"""What the source of metrics needs from the rest of the study file."""

from __future__ import annotations

from collections.abc import Iterator

from htr_tui.errors import ConfigProblem
from htr_tui.study.forms import nearest
from htr_tui.study.metrics_spec import LogMetrics
from htr_tui.study.safe_yaml import Document
from htr_tui.study.safe_yaml import Path as Place
from htr_tui.study.spec import StudySpec
from htr_tui.study.trainer_spec import TrainerSpec
from htr_tui.study.words import placeholders

OWN = frozenset({"attempt_dir", "trial", "params_file", "overrides_file", "config"})
"""Words in braces that differ from trial to trial."""


def metrics_path(trainer: TrainerSpec, document: Document) -> tuple[str, Place] | None:
    """The path that the source names, and where the file says so."""
    path = getattr(trainer.metrics, "path", None)
    if path is None:
        return None
    place: Place = ("trainer", "metrics", trainer.metrics.kind)
    raw = document.value
    for key in place:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return path, (*place, "path") if isinstance(raw, dict) else place


def check_metrics(spec: StudySpec, document: Document) -> Iterator[ConfigProblem]:
    """A run to read from must be made by somebody."""
    if spec.trainer.metrics.kind == "mlflow" and spec.tracking is None:
        yield document.problem(
            ("trainer", "metrics"), "metrics from mlflow need a run, and `tracking: none` makes none",
            allowed="tracking: {uri: ..., experiment: ...}, or another source",
        )  # fmt: skip


def metrics_warnings(spec: StudySpec, document: Document) -> Iterator[ConfigProblem]:
    """A file that all trials share; patterns that do not find what the objective needs."""
    found = metrics_path(spec.trainer, document)
    if found is not None:
        text, place = found
        words = {p.name for part in (text, spec.trainer.cwd or "") for p in placeholders(part)}
        if not words & (OWN | set(spec.search.parameters)) and not any(c in text for c in "*?["):
            yield document.problem(
                place,
                f"{text!r} is the same file for every trial",
                suggestion="{attempt_dir}/" + text.rpartition("/")[2],
            )
    metrics = spec.trainer.metrics
    if isinstance(metrics, LogMetrics):
        groups = {name for pattern in metrics.compiled for name in pattern.groupindex}
        names = {name for item in spec.objective for name in item.expression.names}
        for name in sorted(names - groups) if "name" not in groups else ():
            yield document.problem(
                ("trainer", "metrics", "log"), f"no pattern has a group for {name!r}, which the objective needs",
                suggestion=nearest(name, groups),
            )  # fmt: skip
