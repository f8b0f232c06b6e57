"""What a study file may ask of a machine and will not get, because another key says otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from htr_tui.errors import ConfigProblem
from htr_tui.study.safe_yaml import Document
from htr_tui.study.spec import StudySpec


def resources_warnings(spec: StudySpec, document: Document) -> Iterator[ConfigProblem]:
    """More GPUs or more trials a GPU than `parallel` lets run; `parallel: auto` that has nothing to count by."""
    wanted = spec.resources
    count = len(wanted.gpus) if isinstance(wanted.gpus, tuple) else wanted.gpus if isinstance(wanted.gpus, int) else 1
    if wanted.parallel == "auto":
        if wanted.gpus == "none" and wanted.cores is None:
            yield document.problem(
                ("resources", "parallel"), "without GPUs and without `cores`, auto is one trial at a time",
                suggestion="cores: how many a trial keeps busy",
            )  # fmt: skip
        return
    if wanted.gpus == "none":
        return
    if wanted.trials_per_gpu > 1 and wanted.parallel == 1:
        yield document.problem(
            ("resources", "trials_per_gpu"), "no two trials ever share a GPU, as `parallel` is 1",
            suggestion="parallel: auto",
        )  # fmt: skip
    elif count > wanted.parallel:
        yield document.problem(
            ("resources", "gpus"), f"{count} GPUs are asked for, and `parallel` lets {wanted.parallel} trials run",
            suggestion="parallel: auto",
        )  # fmt: skip
