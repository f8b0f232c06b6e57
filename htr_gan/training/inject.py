"""A test aid: failures on purpose, from the environment variable HTR_GAN_INJECT (docs/trainer.md).

`oom:batch>=8@epoch2` raises TensorFlow's own out-of-memory error at epoch 2 if `train.batch` is at least 8;
`nan@epoch1` spoils a weight, so that the loss really becomes nan.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from htr_gan.errors import UsageError

VARIABLE = "HTR_GAN_INJECT"
_FORM = re.compile(r"(?P<kind>oom|nan)(:batch>=(?P<batch>[0-9]{1,6}))?@epoch(?P<epoch>[0-9]{1,6})\Z")


@dataclass(frozen=True)
class Injection:
    """What goes wrong, when."""

    kind: str
    epoch: int
    smallest_batch: int

    def strike(self, epoch: int, batch: int, model: Any) -> None:
        """Do it, if `epoch` (from 1) and `batch` ask for it."""
        if epoch != self.epoch or batch < self.smallest_batch:
            return
        if self.kind == "nan":
            model.trainable_variables[0].assign(model.trainable_variables[0] * float("nan"))
            return
        import tensorflow as tf

        raise tf.errors.ResourceExhaustedError(
            None,
            None,
            f"OOM when allocating tensor with shape[{batch},64,128,1024] and type float on "
            "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [injected by HTR_GAN_INJECT]",
        )


def read_injection() -> Injection | None:
    """The injection of the environment; UsageError if it makes no sense."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    match = _FORM.match(text)
    if match is None:
        raise UsageError(f"{VARIABLE}={text!r} is not understood", "forms: oom:batch>=8@epoch2, oom@epoch1, nan@epoch1")
    return Injection(match["kind"], int(match["epoch"]), int(match["batch"] or 0))
