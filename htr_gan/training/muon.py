"""Muon for convolutions: each kernel moves by an orthogonal matrix, so that all its directions learn equally fast.

Adam moves a kernel mostly along the few directions in which its gradients agree. Orthogonalising the momentum
(Jordan et al. 2024, scaled as in Liu et al. 2025, arXiv:2502.16982) reached the same quality of the tiny preset in clearly fewer
steps; the Newton-Schulz iterations cost a few percent of a step there.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

SMALLEST_SIDE = 4
"""Kernels with a narrower side are next to vectors, which have nothing to orthogonalise."""
ADAM_SHARE = 0.15
"""Learning rate of the other variables (biases, norms, first and last kernel), which Adam moves, as share of `lr`."""


class KernelMuon(keras.optimizers.Muon):  # type: ignore[misc]
    """Keras's Muon, which takes matrices only, for kernels [height, width, in, out] seen as [height x width x in, out].

    No weight decay. Its state is its variables, as with every optimizer of Keras.
    """

    def __init__(self, rate: Any, *, clipnorm: float, name: str) -> None:
        super().__init__(
            rate,
            adam_beta_1=0.9,
            adam_beta_2=0.99,
            adam_weight_decay=None,
            weight_decay=None,
            adam_lr_ratio=ADAM_SHARE,
            momentum=0.9,
            clipnorm=clipnorm,
            name=name,
        )

    def _should_use_adamw(self, variable: Any) -> bool:
        return not is_orthogonalised(tuple(variable.shape))

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign(m, self.momentum * m + gradient)
        ahead = ops.reshape(gradient + self.momentum * m, (-1, variable.shape[-1]))  # Nesterov
        step = self.lr_adjust(self.zeropower_via_newtonschulz5(ahead, self.ns_steps))
        self.assign_sub(variable, ops.cast(lr, variable.dtype) * ops.reshape(step, variable.shape))


def is_orthogonalised(shape: tuple[int, ...]) -> bool:
    """Whether a variable of this shape is a kernel with at least `SMALLEST_SIDE` channels on both sides."""
    return len(shape) >= 2 and min(shape[-2:]) >= SMALLEST_SIDE
