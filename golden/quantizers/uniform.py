"""Uniform quantisers: one step per row, ``value = scale * (q - zero_point)``."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "Observer",
    "asymmetric",
    "best_scales",
    "bounds",
    "dequantize",
    "observed_limits",
    "quantize",
    "round_half_up",
    "sampled",
    "symmetric_scales",
]

Observer = Literal["minmax", "percentile", "mse"]

PERCENTILE = 0.9995  # share of the values that are not clipped
SAMPLES = 1 << 14  # values that a search looks at, evenly spaced over the tensor
STEPS = 64  # candidates of a search for one scale


def round_half_up(x: Tensor) -> Tensor:
    """``floor(x + 1/2)``: the one rounding rule of the project."""
    return torch.floor(x + 0.5)


def bounds(bits: int, signed: bool = True) -> tuple[int, int]:
    """Least and greatest integer of ``bits`` bits."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def quantize(
    x: Tensor, scale: Tensor | float, low: int, high: int, zero_point: Tensor | int = 0
) -> Tensor:
    """``clamp(floor(x / scale + 1/2) + zero_point, low, high)``, integers held in ``x``'s dtype."""
    return (round_half_up(x / scale) + zero_point).clamp(low, high)


def dequantize(q: Tensor, scale: Tensor | float, zero_point: Tensor | int = 0) -> Tensor:
    """``scale * (q - zero_point)``."""
    return (q - zero_point) * scale


def sampled(x: Tensor, count: int = SAMPLES) -> Tensor:
    """At most about ``count`` columns of ``[rows, n]``, evenly spaced.

    The step has no factor up to 7, as channel counts have: else some channels would never be seen.
    """
    step = max(1, x.shape[1] // count)
    while math.gcd(step, 210) > 1:
        step += 1
    return x[:, ::step]


def observed_limits(x: Tensor, observer: Observer) -> tuple[Tensor, Tensor]:
    """Least and greatest value of each row of ``[rows, n]``, zero included.

    ``percentile`` leaves out ``1 - PERCENTILE`` of the values at either end, ``minmax`` and ``mse``
    (whose search starts there) leave out none.
    """
    if observer == "percentile":
        last = x.shape[1] - 1
        rank = min(last, round(PERCENTILE * last)) + 1
        low, high = (x.kthvalue(k, dim=1).values for k in (last + 2 - rank, rank))
    else:
        low, high = x.aminmax(dim=1)
    return low.clamp(max=0), high.clamp(min=0)


def symmetric_scales(
    x: Tensor, bits: int, observer: Observer = "minmax", moment: Tensor | None = None
) -> Tensor:
    """Scales of a symmetric quantiser, one for each row.

    Parameters
    ----------
    x
        Finite floats ``[rows, n]``: a weight by filter, or a whole tensor as one row.
    bits
        2 to 8, sign included; the greatest magnitude observed becomes ``2**(bits - 1) - 1``.
    observer
        ``mse`` takes, of ``STEPS`` fractions 0.2 to 1 of the min-max scale, that of least
        ``sum(moment * (x - dequantized)**2)``.
    moment
        ``[n]``, second moment of what each column is multiplied by; absent: 1.

    Returns
    -------
    Tensor
        float64 ``[rows]``; 1 for a row of zeros.
    """
    x = x.double()
    low, high = observed_limits(x, observer)
    largest = torch.maximum(-low, high)
    scale = torch.where(largest > 0, largest / bounds(bits)[1], 1.0)
    if observer != "mse":
        return scale
    low_q, high_q = bounds(bits)
    fractions = torch.linspace(0.2, 1, STEPS, dtype=torch.float64)
    trials = [scale * fraction for fraction in fractions]
    best = best_scales(x, trials, lambda v: round_half_up(v).clamp(low_q, high_q), moment)
    return torch.where(largest > 0, best, 1.0)


def best_scales(
    x: Tensor,
    trials: Sequence[Tensor],
    snap: Callable[[Tensor], Tensor],
    moment: Tensor | None = None,
) -> Tensor:
    """For each row of ``[rows, n]`` the scale of least ``sum(moment * (x - dequantized)**2)``.

    Parameters
    ----------
    trials
        Candidates, each ``[rows]``; of equally good ones the first is taken.
    snap
        Nearest integer that can be had, for values in units of the scale.
    """
    x = sampled(x) if moment is None else x
    weight = torch.ones(1, dtype=x.dtype) if moment is None else moment.to(x.dtype)
    best, least = trials[0], torch.full_like(trials[0], torch.inf)
    for trial in trials:
        step = trial[:, None]
        error = ((x - snap(x / step) * step).square() * weight).sum(1)
        best, least = torch.where(error < least, trial, best), torch.minimum(error, least)
    return best


def asymmetric(
    x: Tensor, bits: int, observer: Observer = "minmax", signed: bool = False
) -> tuple[float, int]:
    """Scale and zero point of an asymmetric quantiser of a whole tensor.

    The range always includes 0, and 0 is exact: the zero point is an integer of the range. ``mse``
    shrinks either end of the observed range by factors from 0.4 to 1 on their own.
    """
    x = sampled(x.double().reshape(1, -1))
    ends = observed_limits(x, observer)
    first, last = (end.item() for end in ends)
    if first == last:
        return 1.0, 0
    factors = torch.linspace(0.4, 1, 16).tolist() if observer == "mse" else [1.0]
    best = (torch.inf, 1.0, 0)
    for low, high in {(first * a, last * b) for a in factors for b in factors}:
        best = min(best, _trial(x, low, high, bits, signed))
    return best[1:]


def _trial(x: Tensor, low: float, high: float, bits: int, signed: bool) -> tuple[float, float, int]:
    """Squared error, scale and zero point of the quantiser for values from low to high."""
    least, greatest = bounds(bits, signed)
    scale = (high - low) / (greatest - least)
    zero_point = min(greatest, max(least, round(least - low / scale)))
    error = x - dequantize(quantize(x, scale, least, greatest, zero_point), scale, zero_point)
    return error.square().sum().item(), scale, zero_point
