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
        return _lstm(layer.forward_layer, _input(layer)) * 2
    if kind == "LSTM":
        return _lstm(layer, _input(layer))
    if kind == "MultiHeadAttention":
        return _attention(layer)
    return _shaped(layer, layer.output.shape) if hasattr(layer, "kernel") else 0


def _shaped(layer: Any, output: Any) -> int:
    """Each output value of a convolution or dense layer costs one multiply-add for each weight that reaches it."""
    kernel = tuple(layer.kernel.shape)
    places = prod(output[1:-1])
    if type(layer).__name__ == "DepthwiseConv2D":
        return int(2 * prod(kernel) * places)
    return int(2 * prod(kernel) * places // getattr(layer, "groups", 1))


def _input(layer: Any) -> Any:
    """The shape of what is read; a mask comes as a second input."""
    given = layer.input
    return (given[0] if isinstance(given, list) else given).shape


def _lstm(layer: Any, shape: Any) -> int:
    _, steps, inputs = shape
    return 2 * int(steps * 4 * layer.units * (inputs + layer.units))


def _attention(layer: Any) -> int:
    _, steps, width = layer.output.shape
    inner = layer.num_heads * layer.key_dim
    return int(2 * steps * (4 * width * inner) + 2 * 2 * steps * steps * inner)
