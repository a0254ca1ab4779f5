"""Scattered channels of a layer, such as heads-first query-key-value: layers with just those."""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from golden.network import Concat, Conv, Layer, Linear

if TYPE_CHECKING:
    from vitaccel.frontend.builder import Builder

__all__ = ["pick"]


def pick(b: "Builder", layer: Layer, channels: Tensor, kind: str) -> str | None:
    """Name of a layer whose tensor is ``channels``, in that order, of what ``layer`` makes.

    Linears and convolutions are made with fewer filters, as far back as they are grouped; None if
    the layer is of another kind, or a group would be torn apart.
    """
    match layer:
        case Linear():
            part = Linear(b.fresh(kind), (layer.shape[0], len(channels)), layer.x)
            weight, bias = (b.params[f"{layer.name}.{key}"] for key in ("weight", "bias"))
            return b.part(part, weight=weight[channels], bias=bias[channels])
        case Conv():
            return _convolution(b, layer, channels, kind)
        case Concat(axis=1):
            return _joined(b, layer, channels, kind)
    return None


def _convolution(b: "Builder", layer: Conv, channels: Tensor, kind: str) -> str | None:
    weight, bias, pad = (b.params[f"{layer.name}.{key}"] for key in ("weight", "bias", "pad"))
    n_in, n_out = weight.shape[1], len(weight) // layer.groups
    groups = channels[::n_out] // n_out
    if not torch.equal(channels, (groups[:, None] * n_out + torch.arange(n_out)).flatten()):
        return None
    inputs = (groups[:, None] * n_in + torch.arange(n_in)).flatten()
    x = pick(b, b.layers[layer.x], inputs, kind)
    if x is None:
        return None
    shape = (layer.shape[0], len(channels))
    part = replace(layer, name=b.free(f"{layer.name}.{kind}"), shape=shape, x=x, groups=len(groups))
    return b.part(part, weight=weight[channels], bias=bias[channels], pad=pad[inputs])


def _joined(b: "Builder", layer: Concat, channels: Tensor, kind: str) -> str | None:
    names, start = [], 0
    for part in (b.layers[name] for name in layer.parts):
        width = part.shape[1]
        inside = channels[(channels >= start) & (channels < start + width)] - start
        start += width
        if len(inside):
            name = pick(b, part, inside, kind)
            if name is None:
                return None
            names.append(name)
    if not torch.equal(channels, channels.sort().values):
        return None
    shape = (layer.shape[0], len(channels))
    return b.part(Concat(b.free(f"{layer.name}.{kind}"), shape, tuple(names), axis=1))
