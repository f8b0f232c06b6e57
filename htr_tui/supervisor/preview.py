"""What a study would run, made with the same code that runs it, without starting or writing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_tui.errors import UsageError
from htr_tui.journal.paths import StudyPaths
from htr_tui.study.example_trials import ExampleTrial, example_trials
from htr_tui.study.rendering import RenderedTrainer, render_trainer
from htr_tui.study.spec import StudySpec
from htr_tui.study.template_trees import TemplateError
from htr_tui.study.trainer_files import read_template
from htr_tui.supervisor.prepare import attempt_context, named_environment


@dataclass(frozen=True, slots=True)
class Preview:
    """The first attempt of an example trial."""

    example: ExampleTrial
    start: RenderedTrainer
    env: dict[str, str]
    """Everything that is added to the environment and known before the start."""

    def as_json(self) -> dict[str, Any]:
        """As `htr-tui check --show-command --json` prints it."""
        config = None
        if self.start.config_file is not None:
            config = {"path": str(self.start.config_file), "text": self.start.config_text}
        return {
            "label": self.example.label,
            "params": self.example.params,
            "argv": self.start.argv,
            "env": self.env,
            "cwd": self.start.cwd,
            "config": config,
        }


def previews(spec: StudySpec, base: Path, runs: Path) -> list[Preview]:
    """One for each kind of trial; UsageError where a command cannot be made."""
    paths, template = StudyPaths(runs / spec.study), None
    if spec.trainer.config is not None:
        try:
            template = read_template(spec.trainer.config, base)
        except TemplateError as error:
            raise UsageError(f"{spec.trainer.config.template}: {error}") from None
    made = []
    for example in example_trials(spec.search):
        context = attempt_context(spec, paths, base, 0, 1, params=example.params)
        start = render_trainer(spec.trainer, context, template)
        made.append(Preview(example, start, {**start.env, **named_environment(spec, paths, 0, 1)}))
    return made
