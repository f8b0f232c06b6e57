"""How much memory this process has needed at most."""

from __future__ import annotations

import resource
import sys

import tensorflow as tf

RSS, GPU = "memory/peak_rss_bytes", "memory/peak_gpu_bytes"


def peak_memory() -> dict[str, float]:
    """Bytes of main memory, and of GPU memory where there is a GPU (the largest of several)."""
    unit = 1 if sys.platform == "darwin" else 1024
    peaks = {RSS: float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)}
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        peaks[GPU] = float(
            max(tf.config.experimental.get_memory_info(gpu.name.removeprefix("/device:"))["peak"] for gpu in gpus)
        )
    return peaks


def describe_memory(peaks: dict[str, float]) -> str:
    """For people."""
    words = {RSS: "main memory", GPU: "GPU memory"}
    return ", ".join(f"{peaks[name] / 2**30:.2f} GiB of {word}" for name, word in words.items() if name in peaks)
