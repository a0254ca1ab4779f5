"""Tables on their own as convolutions: filters of one tap that is 1."""

from dataclasses import replace

import torch
from torch import Tensor

from golden.qnetwork import QConv, QLookup, QNetwork

__all__ = ["without_lookups"]


def without_lookups(network: QNetwork) -> QNetwork:
    """The same network, each `QLookup` a depthwise convolution with a table.

    ``(1 * x * 2 + 1) >> 1`` is x, with multipliers and with shifts alone.
    """
    layers, tensors = list(network.layers), dict(network.tensors)
    for n, layer in enumerate(layers):
        if isinstance(layer, QLookup):
            layers[n], added = _convolution(layer)
            tensors |= {f"{layer.name}.{part}": value for part, value in added.items()}
    return replace(network, layers=tuple(layers), tensors=tensors)


def _convolution(layer: QLookup) -> tuple[QConv, dict[str, Tensor]]:
    tokens, channels = layer.out.shape
    made = QConv(
        name=layer.name,
        out=layer.out,
        x=layer.x,
        table=True,
        post_shift=1,
        height=1,
        width=tokens,
        kernel=1,
        stride=1,
        padding=0,
        groups=channels,
    )
    zero = torch.zeros(channels, dtype=torch.int32)
    return made, {
        "weight": torch.ones(channels, 1, 1, 1, dtype=torch.int8),
        "pot": zero.bool(),
        "bias": zero,
        "mul": zero + 2,
        "pad": zero.to(torch.int16),
    }
