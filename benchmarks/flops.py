"""Floating-point operations of a Keras network, counted by hand: a multiply-add is two."""

from __future__ import annotations

from math import prod
from typing import Any


def forward_flops(network: Any) -> int:
    """Operations of one forward pass over one line: convolutions, dense layers, LSTMs and attention; the rest is small."""
    return sum(_layer_flops(layer) for layer in _leaves(network))


def _leaves(network: Any) -> list[Any]:
    found = []
    for layer in network.layers:
        if hasattr(layer, "layers"):
            found += _leaves(layer)
        else:
            found.append(layer)
    return found


def _layer_flops(layer: Any) -> int:
    kind = type(layer).__name__
    if kind in ("SpectralNormalization", "TimeDistributed"):
        return _shaped(layer.layer, layer.output.shape)
    if kind == "Bidirectional":
        steps = layer.input.shape[1]
        return _lstm(layer.forward_layer, steps, layer.input.shape[-1]) * 2
    if kind == "LSTM":
        return _lstm(layer, layer.input.shape[1], layer.input.shape[-1])
    if kind == "MultiHeadAttention":
        return _attention(layer)
    return _shaped(layer, layer.output.shape) if hasattr(layer, "kernel") else 0


def _shaped(layer: Any, output: Any) -> int:
    """Each output value of a convolution or dense layer costs one multiply-add for each weight that reaches it."""
    kernel = tuple(layer.kernel.shape)
    places = prod(output[1:-1])
    if type(layer).__name__ == "DepthwiseConv2D":
        return 2 * prod(kernel) * places
    return 2 * prod(kernel) * places // getattr(layer, "groups", 1)


def _lstm(layer: Any, steps: int, inputs: int) -> int:
    return 2 * steps * 4 * layer.units * (inputs + layer.units)


def _attention(layer: Any) -> int:
    _, steps, width = layer.output.shape
    inner = layer.num_heads * layer.key_dim
    return 2 * steps * (4 * width * inner) + 2 * 2 * steps * steps * inner
