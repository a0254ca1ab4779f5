"""Channels of activations made equally wide in the float network, without changing its outputs."""

from dataclasses import replace

import torch
from torch import Tensor

from golden.evaluate import run_float
from golden.network import LayerNorm, Linear, MatMul, Network, Slice
from golden.quantize.graph import by_name, users_of

__all__ = ["equalize"]

WIDEST = 16.0  # greatest factor, and the inverse of the least


def equalize(network: Network, images: Tensor) -> Network:
    """Move differences between channels from activations to weights, where they cost less.

    - LayerNorm followed by Linear: channel c of the norm is shifted by the middle ``z`` of its
      range and divided by ``r``; the Linear's column c is multiplied by r and its bias takes
      ``W z``.
    - V and the Linear after P·V: V's filter c is divided by r, that Linear's column multiplied.
    - Q and K: filter c of Q is divided by r, that of K multiplied.

    With ``w`` half the channel's range, ``r = w / mean(w)``, and for Q and K the square root of
    the ratio of both ranges.

    Source
    ------
    RepQ-ViT, arXiv:2212.08254, section 3.2 (LayerNorm); cross-layer equalisation,
    arXiv:1906.04721, section 4.1 (the products of attention).
    """
    tensors = run_float(network, images)
    made = _Equalizer(network, tensors)
    for layer in network.layers:
        if isinstance(layer, LayerNorm):
            made.norm(layer)
        elif isinstance(layer, MatMul):
            made.scores(layer) if layer.transpose_b else made.values(layer)
    return replace(network, params=made.params)


class _Equalizer:
    def __init__(self, network: Network, tensors: dict[str, Tensor]) -> None:
        self.layers = by_name(network)
        self.users = users_of(network)
        self.tensors = tensors
        self.params = dict(network.params)

    def norm(self, layer: LayerNorm) -> None:
        readers = self._readers(layer.name)
        if readers is None:
            return
        low, high = _range(self.tensors[layer.name])
        ratio, middle = _ratio(high - low), (high + low) / 2
        self._divide(layer.name, ratio, middle)
        self._multiply(readers, ratio, middle)

    def values(self, layer: MatMul) -> None:
        """V against the Linear that reads the product."""
        readers, source = self._readers(layer.name), self._filters(layer.b)
        if readers is None or source is None:
            return
        context = self.tensors[layer.name].flatten(0, -2)
        middle = context.mean(0)
        self._divide(source, _ratio((context - middle).abs().amax(0)), middle)
        self._multiply(readers, _ratio((context - middle).abs().amax(0)), middle)

    def _multiply(self, readers: list[Linear], ratio: Tensor, middle: Tensor) -> None:
        """Make inputs of Linears, which are ``(x - middle) / ratio`` now, act as x did."""
        for reader in readers:
            weight, bias = (self.params[f"{reader.name}.{p}"] for p in ("weight", "bias"))
            self.params[f"{reader.name}.bias"] = bias + weight @ middle
            self.params[f"{reader.name}.weight"] = weight * ratio

    def scores(self, layer: MatMul) -> None:
        """Q against K."""
        a, b = self._filters(layer.a), self._filters(layer.b)
        if a is None or b is None:
            return
        wide_a, wide_b = (
            self.tensors[n].abs().flatten(0, -2).amax(0).clamp(min=1e-6) for n in (layer.a, layer.b)
        )
        ratio = (wide_a / wide_b).sqrt().clamp(1 / WIDEST, WIDEST)
        self._divide(a, ratio)
        self._divide(b, 1 / ratio)

    def _divide(self, name: str, ratio: Tensor, middle: Tensor | float = 0.0) -> None:
        """Make outputs of ``name`` ``(y - middle) / ratio``."""
        weight, bias = (self.params[f"{name}.{part}"] for part in ("weight", "bias"))
        self.params[f"{name}.bias"] = (bias - middle) / ratio
        self.params[f"{name}.weight"] = weight / (ratio[:, None] if weight.ndim == 2 else ratio)

    def _readers(self, name: str) -> list[Linear] | None:
        """All that reads a tensor or tokens of it, if that is Linears only."""
        found: list[Linear] = []
        for user in self.users[name]:
            if isinstance(user, Slice) and user.axis == 0:
                deeper = self._readers(user.name)
            else:
                deeper = [user] if isinstance(user, Linear) else None
            if deeper is None:
                return None
            found += deeper
        return found or None

    def _filters(self, name: str) -> str | None:
        """Linear that makes a tensor, if nothing else reads it."""
        alone = isinstance(self.layers[name], Linear) and len(self.users[name]) == 1
        return name if alone else None


def _range(x: Tensor) -> tuple[Tensor, Tensor]:
    low, high = torch.aminmax(x.flatten(0, -2), dim=0)
    return low, high


def _ratio(width: Tensor) -> Tensor:
    """Widths over their mean, within the limits; 1 for channels of no width."""
    ratio = width / width.mean().clamp(min=1e-12)
    return torch.where(width > 0, ratio, 1.0).clamp(1 / WIDEST, WIDEST)
