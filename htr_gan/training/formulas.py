"""Formulas of `train` are held against the metrics that a task has, before the first step and not after an epoch."""

from __future__ import annotations

from htr_gan.config.train_section import TrainConfig
from htr_gan.errors import ConfigError, ConfigProblem
from htr_gan.expression import ExpressionError, parse_expression
from htr_gan.training.callbacks.evaluation import PREFIX
from htr_gan.training.memory import peak_memory
from htr_gan.training.task import Task


def metric_names(task: Task) -> dict[str, object]:
    """All names that an epoch's values will have."""
    model = task.model
    names = [*model.term_means, *(PREFIX + name for name in model.measure_means), *task.error_rates()]
    return dict.fromkeys([*names, "lr", "seconds/train", "seconds/validation", *peak_memory()])


def check_formulas(train: TrainConfig, task: Task) -> None:
    """ConfigError naming each key whose formula has a metric that does not exist, with those that do."""
    formulas = {"train.keep.best": train.keep.best}
    if train.schedule == "plateau":
        formulas["train.plateau.metric"] = train.plateau.metric
    for number, rule in enumerate(train.early_stop.rules):
        formulas[f"train.early_stop.rules.{number}.metric"] = rule.metric
    known, problems = metric_names(task), []
    for key, formula in formulas.items():
        try:
            parse_expression(formula).check_names(known)
        except ExpressionError as error:
            problems.append(ConfigProblem("metrics", None, None, key, str(error)))
    if problems:
        raise ConfigError(problems)
