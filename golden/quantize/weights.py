"""Integers of a weight: uniform or power-of-two filters, each with its scale."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from golden.quantizers import (
    bounds,
    choose_pot,
    output_error,
    pot_scales,
    quantize,
    round_columns,
    snap_pot,
    symmetric_scales,
)
from golden.scheme import Scheme

__all__ = ["Weight", "quantize_grouped", "quantize_weight"]

SPREAD = 2.0**-8  # least scale of a filter over the greatest of the layer: keeps mul precise
ROUNDINGS = (-1, 0, 1, 2)  # P2-ViT: exponents to try around floor(log2 scale)

Snap = Callable[[Tensor, Tensor], Tensor]  # values, scales -> nearest integers


class Weight(NamedTuple):
    """Integers ``[out, in]``, scales ``[out]`` and which filters are power-of-two, ``[out]``."""

    integers: Tensor
    scales: Tensor
    pot: Tensor


def quantize_weight(weight: Tensor, moment: Tensor, least: Tensor, scheme: Scheme) -> Weight:
    """Quantise a weight so that the layer's output changes least.

    Parameters
    ----------
    weight
        float64 ``[out, in]``.
    moment
        float64 ``[in, in]``: mean of ``x x.T`` over the inputs that the layer will see.
    least
        ``[out]``: scales must not be less.
    """
    bits = scheme.weight_bits

    def snap(x: Tensor, scales: Tensor) -> Tensor:
        return quantize(x, scales, *bounds(bits))

    scales = symmetric_scales(weight, bits, scheme.observers.weight, moment.diagonal())
    uniform, scales = _rounded(weight, moment, snap, _settled(scales, weight, least), scheme)
    pot = torch.zeros(len(weight), dtype=torch.bool)
    if not scheme.pot_groups:
        return Weight(uniform, scales, pot)

    def snap_powers(x: Tensor, scales: Tensor) -> Tensor:
        return snap_pot(x / scales, scheme.pot_bits)

    coarse = pot_scales(weight, scheme.pot_bits, moment.diagonal())
    powers, coarse = _rounded(weight, moment, snap_powers, _settled(coarse, weight, least), scheme)
    penalty = output_error(weight - powers * coarse[:, None], moment)
    penalty -= output_error(weight - uniform * scales[:, None], moment)
    pot = choose_pot(penalty, rows=scheme.rows, groups=scheme.groups, pot_groups=scheme.pot_groups)
    return Weight(torch.where(pot[:, None], powers, uniform), torch.where(pot, coarse, scales), pot)


def quantize_grouped(
    weight: Tensor, moment: Tensor, least: Tensor, bits: int, scheme: Scheme
) -> Weight:
    """Quantise uniform filters that have inputs of their own, as of a depthwise convolution.

    Parameters
    ----------
    weight, moment
        float64 ``[out, taps]``: filters, and the mean square of the inputs of each.
    least
        ``[out]``: scales must not be less.
    """
    low, high = bounds(bits)
    scales = symmetric_scales(weight, bits, scheme.observers.weight, moment)
    scales = _settled(scales, weight, least)
    if scheme.requant == "shift":
        floor = torch.floor(torch.log2(scales))
        trials = torch.stack([torch.exp2(floor + rounding) for rounding in ROUNDINGS])
        steps = trials[:, :, None]
        errors = (quantize(weight, steps, low, high) * steps - weight).square() * moment
        scales = trials.gather(0, errors.sum(2).argmin(0, keepdim=True))[0]
    integers = quantize(weight, scales[:, None], low, high)
    return Weight(integers, scales, torch.zeros(len(weight), dtype=torch.bool))


def _settled(scales: Tensor, weight: Tensor, least: Tensor) -> Tensor:
    """Scales of filters that are not all zero, the others given the greatest of those."""
    used = weight.abs().amax(1) > 0
    greatest = scales[used].max() if used.any() else torch.ones(())
    return torch.where(used, torch.maximum(scales, least), greatest).clamp(min=greatest * SPREAD)


def _rounded(
    weight: Tensor, moment: Tensor, snap: Snap, scales: Tensor, scheme: Scheme
) -> tuple[Tensor, Tensor]:
    """Integers and scales; these rounded to powers of two, by output error, if the scheme asks."""
    if scheme.requant == "shift":
        floor = torch.floor(torch.log2(scales))
        trials = [torch.exp2(floor + rounding) for rounding in ROUNDINGS]
        errors = torch.stack([
            output_error(weight - snap(weight, s[:, None]) * s[:, None], moment) for s in trials
        ])
        scales = torch.stack(trials).gather(0, errors.argmin(0, keepdim=True))[0]
    if scheme.rounding == "nearest":
        return snap(weight, scales[:, None]), scales
    columns = round_columns(weight, moment, lambda x: snap(x, scales) * scales)
    return torch.round(columns / scales[:, None]), scales
