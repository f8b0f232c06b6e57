"""What TensorFlow says on stderr about itself is no news to anybody; errors are shown."""

from __future__ import annotations

import os


def quiet_tensorflow() -> None:
    """Before TensorFlow is imported: no information or warnings, and GPU memory taken only as it is needed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
