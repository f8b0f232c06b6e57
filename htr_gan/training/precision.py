"""In what layers compute: float32, or bfloat16 with weights and losses in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from htr_gan.config.train_section import Precision

CPU_INFO = Path("/proc/cpuinfo")
CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
GPU_CAPABILITY = (8, 0)
"""NVIDIA Ampere, the first with bfloat16 units."""


@contextmanager
def layer_precision(policy: str) -> Iterator[None]:
    """Layers made inside compute as `policy` ("float32", "mixed_bfloat16") says; afterwards all is as before.

    Layers that ask for float32 by themselves (logits, the restored line) stay so, and weights always are.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def choose_policy(wanted: Precision) -> str:
    """The policy for `wanted` on this machine: "float32" or "mixed_bfloat16"."""
    if wanted == "auto":
        return "mixed_bfloat16" if has_bfloat16() else "float32"
    return wanted


def precision_note(wanted: Precision) -> tuple[str, str] | None:
    """What people should know, as (message, level): bfloat16 that is slow here, or what auto has chosen."""
    if wanted == "auto":
        return f"precision: {choose_policy(wanted)}", "info"
    if wanted == "mixed_bfloat16" and not has_bfloat16():
        return "this machine has no bfloat16 units: mixed_bfloat16 works here, but slower than float32", "warning"
    return None


def has_bfloat16() -> bool:
    """Whether what will be computed on has instructions for bfloat16: all GPUs if there are any, else the CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return all(_capability(gpu) >= GPU_CAPABILITY for gpu in gpus)
    return not CPU_FLAGS.isdisjoint(_cpu_flags())


def _capability(gpu: Any) -> tuple[int, int]:
    details = tf.config.experimental.get_device_details(gpu)
    return tuple(details.get("compute_capability", (0, 0)))


def _cpu_flags() -> set[str]:
    """What the first core says of itself; empty where the kernel does not tell (not Linux)."""
    try:
        text = CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    for line in text.splitlines():
        name, _, flags = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(flags.split())
    return set()
