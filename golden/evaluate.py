"""Run a float `Network` and judge logits."""

from collections.abc import Callable
from functools import partial, singledispatch

import torch
from torch import Tensor
from torch.nn import functional

from golden import network as net
from golden.padding import padded

__all__ = ["accuracy", "activation_of", "rank", "run_float"]

Read = Callable[[str], Tensor]  # tensor by name


@torch.no_grad()
def run_float(network: net.Network, images: Tensor, keep: bool = True) -> dict[str, Tensor]:
    """Execute the network on float images ``[n, channels, height, width]``.

    Parameters
    ----------
    keep
        Return every tensor; otherwise only the last one, and an intermediate tensor lives until
        its last use.

    Returns
    -------
    dict[str, Tensor]
        Tensor of every layer by its name, ``[n, *layer.shape]``, in the order of the layers.
    """
    tensors: dict[str, Tensor] = {}
    last_use = {name: layer for layer in network.layers for name in layer.operands}
    for layer in network.layers:
        if isinstance(layer, net.Input):
            value = images
        else:
            value = _compute(layer, tensors.__getitem__, network.params.__getitem__)
        tensors[layer.name] = value.expand(len(images), *layer.shape)
        if not keep:
            for name in set(layer.operands):
                if last_use[name] is layer:
                    del tensors[name]
    return tensors


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of images whose greatest logit is their label's, 0 to 1.

    Parameters
    ----------
    logits
        Any number type, ``[n, classes]`` or ``[n, 1, classes]``; of equal ones the first counts.
    labels
        Integers ``[n]``.
    """
    return (rank(logits, labels) == 0).double().mean().item()


def rank(logits: Tensor, labels: Tensor) -> Tensor:
    """How many classes come before that of the label, int64 ``[n]``: 0 is right, below 5 top-5.

    Parameters as of `accuracy`.
    """
    x = logits.flatten(1)  # [n, classes]
    own, label = x.gather(1, labels[:, None]), labels[:, None]
    before = (x > own) | (x == own) & (torch.arange(x.shape[1]) < label)
    return before.sum(1)


def activation_of(layer: net.Activation) -> Callable[[Tensor], Tensor]:
    """Function that a layer applies to every element."""
    match layer:
        case net.Gelu():
            return partial(functional.gelu, approximate=layer.approximate)
        case net.Hardswish():
            return functional.hardswish
        case net.Relu():
            return functional.relu
    raise TypeError(f"unknown activation {layer!r}")


def _heads(x: Tensor, heads: int) -> Tensor:
    """Tokens ``[n, tokens, heads * dim]`` by head: ``[n, heads, tokens, dim]``."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


@singledispatch
def _compute(layer: net.Layer, x: Read, params: Read) -> Tensor:
    raise TypeError(f"unknown layer {layer!r}")


@_compute.register
def _(layer: net.Patches, x: Read, params: Read) -> Tensor:
    return functional.unfold(x(layer.x), layer.size, stride=layer.size).transpose(1, 2)


@_compute.register
def _(layer: net.Constant, x: Read, params: Read) -> Tensor:
    return params(layer.name)


@_compute.register
def _(layer: net.Linear, x: Read, params: Read) -> Tensor:
    return functional.linear(
        x(layer.x), params(f"{layer.name}.weight"), params(f"{layer.name}.bias")
    )


@_compute.register
def _(layer: net.Conv, x: Read, params: Read) -> Tensor:
    weight, bias, pad = (params(f"{layer.name}.{part}") for part in ("weight", "bias", "pad"))
    pixels = x(layer.x).transpose(1, 2).unflatten(2, (layer.height, layer.width))
    if layer.padding and pad.any():
        pixels = padded(pixels, pad, layer.padding)
        y = functional.conv2d(pixels, weight, bias, layer.stride, 0, 1, layer.groups)
    else:
        y = functional.conv2d(pixels, weight, bias, layer.stride, layer.padding, 1, layer.groups)
    return y.flatten(2).transpose(1, 2)


@_compute.register
def _(layer: net.Activation, x: Read, params: Read) -> Tensor:
    return activation_of(layer)(x(layer.x))


@_compute.register
def _(layer: net.KeyValue, x: Read, params: Read) -> Tensor:
    k, v = _heads(x(layer.a).relu(), layer.heads), _heads(x(layer.b), layer.heads)
    return (v.transpose(2, 3) @ k).transpose(1, 2).flatten(2)  # [n, dim, heads * dim]


@_compute.register
def _(layer: net.KeySum, x: Read, params: Read) -> Tensor:
    return x(layer.x).relu().sum(1, keepdim=True)


@_compute.register
def _(layer: net.Divisor, x: Read, params: Read) -> Tensor:
    product = x(layer.a).relu() * x(layer.b)
    return product.unflatten(2, (layer.heads, -1)).sum(3)


@_compute.register
def _(layer: net.Quotient, x: Read, params: Read) -> Tensor:
    q, kv = _heads(x(layer.q).relu(), layer.heads), _heads(x(layer.kv), layer.heads)
    divisor = x(layer.divisor).transpose(1, 2)[..., None]  # [n, heads, tokens, 1]
    return (q @ kv.transpose(2, 3) / (divisor + layer.eps)).transpose(1, 2).flatten(2)


@_compute.register
def _(layer: net.Pool, x: Read, params: Read) -> Tensor:
    return x(layer.x).mean(1, keepdim=True)


@_compute.register
def _(layer: net.Add, x: Read, params: Read) -> Tensor:
    return x(layer.a) + x(layer.b)


@_compute.register
def _(layer: net.LayerNorm, x: Read, params: Read) -> Tensor:
    weight, bias = params(f"{layer.name}.weight"), params(f"{layer.name}.bias")
    return functional.layer_norm(x(layer.x), weight.shape, weight, bias, layer.eps)


@_compute.register
def _(layer: net.MatMul, x: Read, params: Read) -> Tensor:
    right = _heads(x(layer.b), layer.heads)  # [n, heads, tokens, dim]
    if layer.transpose_b:
        return layer.scale * _heads(x(layer.a), layer.heads) @ right.transpose(-1, -2)
    return (layer.scale * x(layer.a) @ right).transpose(1, 2).flatten(2)


@_compute.register
def _(layer: net.Softmax, x: Read, params: Read) -> Tensor:
    return x(layer.x).softmax(-1)


@_compute.register
def _(layer: net.Concat, x: Read, params: Read) -> Tensor:
    return torch.cat([x(part) for part in layer.parts], dim=layer.axis + 1)


@_compute.register
def _(layer: net.Slice, x: Read, params: Read) -> Tensor:
    return x(layer.x).narrow(layer.axis + 1, layer.start, layer.stop - layer.start)
