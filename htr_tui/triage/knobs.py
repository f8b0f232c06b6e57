"""Which parameter of a trainer is its batch size, its learning rate, ...: guessed from names, for fixes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "batch": (
        "batch", "batch_size", "train_batch_size", "per_device_train_batch_size", "per_gpu_train_batch_size",
        "per_device_batch_size", "micro_batch_size", "samples_per_gpu", "videos_per_gpu", "ims_per_batch", "batchsize",
        "bs", "train_bs", "mini_batch_size",
    ),
    "accumulation": (
        "accumulation", "gradient_accumulation_steps", "grad_accum", "grad_accumulation", "gradient_accumulation",
        "accumulate_grad_batches", "grad_accum_steps", "accumulation_steps", "accum_steps", "accum_iter",
        "update_freq", "iter_size", "accumulate",
    ),
    "use_cudnn": ("use_cudnn", "cudnn", "use_cudnn_rnn", "cudnn_rnn"),
    "learning_rate": (
        "learning_rate", "lr", "base_lr", "initial_lr", "init_lr", "lr_init", "peak_lr", "max_lr", "learningrate",
        "base_learning_rate", "initial_learning_rate", "generator_lr", "lr_g",
    ),
    "workers": (
        "workers", "num_workers", "n_workers", "dataloader_num_workers", "loader_workers", "data_workers",
        "num_data_workers", "workers_per_gpu", "nw", "n_jobs",
    ),
}  # fmt: skip
"""Knob -> last segments of parameter names, the surest first."""

EVALUATION = re.compile(r"(^|[._])(val|valid|validation|eval|test|infer|inference|predict)([._]|$)")
"""A batch size of the evaluation is not the one to halve."""


def guess_knobs(params: Mapping[str, Any]) -> dict[str, str]:
    """Knob -> parameter key, for every knob that a name and a fitting value give away."""
    found: dict[str, str] = {}
    for knob, aliases in ALIASES.items():
        candidates = [
            (aliases.index(alias), key.count("."), key)
            for key, value in params.items()
            if (alias := _last_segment(key)) in aliases and _fits(knob, value) and not EVALUATION.search(key.lower())
        ]
        if candidates:
            found[knob] = min(candidates)[2]
    return found


def _last_segment(key: str) -> str:
    return re.split(r"[./:]", key)[-1].strip("-_ ").lower().replace("-", "_")


def _fits(knob: str, value: Any) -> bool:
    """A batch that is text, or a learning rate that is a schedule's name, is no knob."""
    if knob == "use_cudnn":
        return isinstance(value, bool) or value in (None, "auto", "true", "false")
    if knob == "learning_rate":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool)
