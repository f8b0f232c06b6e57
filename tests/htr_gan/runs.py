"""Real runs of the micro preset in this process, and what they leave behind."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from htr_gan.__main__ import main
from htr_gan.training.checkpoint_folder import find_checkpoint, load_arrays, state_sha256

NO_JUDGE = "loss.adv=0"
"""Leaves the discriminator out: half the time to trace a step, for tests that are not about it."""


def train(folder: Path, out: str, *overrides: str, resume: Path | None = None, config: str = "gan.yaml") -> int:
    arguments = ["train", str(folder / config), "--out", str(folder / out)]
    for override in overrides:
        arguments += ["--set", override]
    if resume is not None:
        arguments += ["--resume", str(resume)]
    return main(arguments)


def events(run: Path, kind: str = "") -> list[dict[str, Any]]:
    lines = (run / "events.jsonl").read_bytes().splitlines()
    return [event for event in map(json.loads, lines) if kind in ("", event["kind"])]


def state(run: Path) -> str:
    found = find_checkpoint(run)
    assert found is not None
    return state_sha256(load_arrays(found.path))


def stop_at(monkeypatch: pytest.MonkeyPatch, global_step: int, model: str = "restoration_gan") -> None:
    """Sends this process a real SIGTERM while step `global_step` of `model` is counted."""
    from htr_gan.training.callbacks.step_guard import StepGuard

    original = StepGuard.on_train_batch_end

    def counted(self: Any, batch: int, logs: Any = None) -> None:
        if self.model.name == model and self._progress.global_step + 1 == global_step:
            signal.raise_signal(signal.SIGTERM)
        original(self, batch, logs)

    monkeypatch.setattr(StepGuard, "on_train_batch_end", counted)
