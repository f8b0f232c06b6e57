"""PSNR and SSIM of lines in [0, 1], one value a line."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

CEILING_DB = 100.0
"""PSNR of two equal pictures, which would be infinite."""


def psnr(restored: Any, clean: Any) -> Any:
    """Peak signal-to-noise ratio in dB, float32 [batch]."""
    return tf.minimum(tf.image.psnr(restored, clean, max_val=1.0), CEILING_DB)


def ssim(restored: Any, clean: Any) -> Any:
    """Structural similarity, at most 1, float32 [batch]."""
    return tf.image.ssim(restored, clean, max_val=1.0)
