"""Ends a training before its last epoch when nothing gets better any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from htr_gan.config.train_rules import EarlyStopConfig
from htr_gan.expression import parse_expression
from htr_gan.training.patience import Patience
from htr_gan.training.progress import Progress


class EarlyStopping(keras.callbacks.Callback):  # type: ignore[misc]
    """After the history and before the checkpoint, which holds what was decided. Keras's own forgets on resume."""

    def __init__(self, progress: Progress, plan: EarlyStopConfig, epochs: int, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._progress, self._plan, self._epochs, self._tell = progress, plan, epochs, tell
        self._rules = [
            Patience(parse_expression(rule.metric), rule.mode, rule.min_delta, rule.patience) for rule in plan.rules
        ]
        if is_remembered(progress, plan):
            for rule, state in zip(self._rules, progress.early_stop["states"], strict=True):
                rule.restore(state)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the epoch that just ended."""
        for rule in self._rules:
            rule.see(self._progress.history[-1]["values"])
        exhausted = [rule.is_exhausted for rule in self._rules]
        is_over = any(exhausted) and (self._plan.when == "any" or all(exhausted))
        reason = ""
        if is_over and self._progress.epochs_done < self._epochs:
            reason = "; ".join(_why(rule) for rule in self._rules if rule.is_exhausted)
            self.model.stop_training = True
        self._progress.early_stop = {
            "rules": _signature(self._plan),
            "states": [rule.record() for rule in self._rules],
            "reason": reason,
        }
        if reason:
            self._tell(reason)


def _why(rule: Patience) -> str:
    best = "never a number" if rule.best is None else f"no better than {rule.best:.6g}"
    return f"{rule.formula.text} {best} for {rule.waited} epochs"


def _signature(plan: EarlyStopConfig) -> dict[str, Any]:
    return plan.model_dump(mode="json", include={"rules", "when"})


def is_remembered(progress: Progress, plan: EarlyStopConfig) -> bool:
    """Whether the memory in `progress` is that of these rules; other rules start afresh."""
    return progress.early_stop.get("rules") == _signature(plan)


def stopped_because(progress: Progress, plan: EarlyStopConfig) -> str:
    """Why these rules ended the training before; empty if they did not."""
    return str(progress.early_stop.get("reason", "")) if is_remembered(progress, plan) else ""
