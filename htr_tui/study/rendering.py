"""What is really run for one attempt: the words, the environment, the folder, and the config file's text.

The supervisor writes it down and starts it; `htr-tui check --show-command` prints it. Nothing here touches a disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from htr_tui.errors import UsageError
from htr_tui.study.command import CommandContext, find_executable, render_command, render_environment
from htr_tui.study.template_trees import read_tree
from htr_tui.study.trainer_spec import ConfigFile, TrainerSpec
from htr_tui.study.words import MissingValueError, placeholders, render_text

EVERYTHING = ("overrides", "overrides_file", "params_file")
"""Words that bring all parameters to the trainer at once."""


@dataclass(frozen=True, slots=True)
class RenderedTrainer:
    """One attempt's start, ready to be written down."""

    argv: list[str]
    env: dict[str, str]
    """The variables of `trainer.env`."""
    cwd: str
    config_file: Path | None
    config_text: str | None


def render_trainer(trainer: TrainerSpec, context: CommandContext, template: str | None) -> RenderedTrainer:
    """Everything of an attempt that depends on its parameters; `template` is the text of `trainer.config.template`."""
    env = render_environment(trainer.env, context)
    argv = render_command(trainer.command, context, trainer.overrides)
    if not argv:
        raise UsageError("the command has no words for this trial", "", "begin it with the program's name")
    argv[0] = find_executable(argv[0], context.launch_dir, env) or argv[0]
    text = None
    if trainer.config is not None and template is not None:
        text = config_text(trainer, trainer.config, template, context)
    return RenderedTrainer(argv, env, folder_of(trainer, context), context.config_file, text)


def folder_of(trainer: TrainerSpec, context: CommandContext) -> str:
    """The folder in which the trainer starts."""
    if trainer.cwd is None:
        return str(context.launch_dir)
    try:
        return str(context.launch_dir / render_text(trainer.cwd, context.values()))
    except MissingValueError as error:
        raise UsageError(f"trainer.cwd uses {{{error.name}}}, which trial {context.trial} does not have") from None


def config_text(trainer: TrainerSpec, config: ConfigFile, template: str, context: CommandContext) -> str:
    """The config file of one attempt. A parameter that the template lacks is added, unless the command names it."""
    try:
        if config.kind == "text":
            return render_text(template, context.values())
        tree = read_tree(config.kind, template)
        for name, value in context.overrides.items():
            found = tree.find(name)
            if found == "value" or not reaches(trainer, name):
                tree.set(name, value)
        return tree.text()
    except MissingValueError as error:
        raise UsageError(
            f"{config.template} uses {{{error.name}}}, which trial {context.trial} does not have"
        ) from None
    except ValueError as error:
        raise UsageError(f"{config.template}: {error}") from None


def unreached(trainer: TrainerSpec, names: Iterable[str], template: str | None) -> list[str]:
    """Those of the parameters that neither command, environment nor config file bring to the trainer."""
    in_template: set[str] = set()
    if trainer.config is not None:
        if trainer.config.kind != "text" or template is None:
            return []
        in_template = {placeholder.name for placeholder in placeholders(template)}
        if in_template & set(EVERYTHING):
            return []
    return [name for name in names if name not in in_template and not reaches(trainer, name)]


def reaches(trainer: TrainerSpec, name: str) -> bool:
    """Whether command or environment bring the parameter to the trainer, leaving the config file aside."""
    names = {p.name for text in (*trainer.command, *trainer.env.values()) for p in placeholders(text)}
    return name in names or any(word in names for word in EVERYTHING)
