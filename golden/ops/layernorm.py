"""LayerNorm on integers with an exact integer square root."""

from typing import NamedTuple

import torch
from torch import Tensor

from golden.ops.isqrt import isqrt
from golden.ops.reciprocal import reciprocal
from golden.ops.scratch import scratch

__all__ = ["LayerNormConstants", "layernorm", "layernorm_constants"]


MAX_LENGTH = 4096  # then V < 2**46, and scale_shift + t is above 0


class LayerNormConstants(NamedTuple):
    """What the instruction carries for a row length D."""

    mean_mul: int  # round(16 * 2**mean_shift / D), below 2**17
    mean_shift: int  # 12 + floor(log2(D))
    scale_shift: int  # 25 - ceil(log2(D))


def layernorm_constants(length: int) -> LayerNormConstants:
    """Constants for rows of ``length`` elements, 2 to `MAX_LENGTH`.

    Raises
    ------
    ValueError
        ``length`` is outside 2 .. `MAX_LENGTH`.
    """
    if not 2 <= length <= MAX_LENGTH:
        raise ValueError(f"length must be 2 to {MAX_LENGTH}, not {length}")
    mean_shift = 11 + length.bit_length()
    mean_mul = ((32 << mean_shift) // length + 1) // 2  # no ties: D is no power of two then
    return LayerNormConstants(mean_mul, mean_shift, 25 - (length - 1).bit_length())


def _row_factor(variance: Tensor, scale_shift: int) -> Tensor:
    """``inv * 2**-s`` of rows with int64 V = D * S2 - S1²; exact in float64, 0 for V = 0."""
    bits = torch.frexp(variance.to(torch.float64))[1].to(torch.int64)  # V < 2**46: exact
    t = (bits - 1).div(2, rounding_mode="floor") - 15
    normal = (variance << (-2 * t).clamp_(min=0)) >> (2 * t).clamp_(min=0)
    inv = reciprocal(isqrt(normal).clamp_(min=1 << 15))
    factor = inv.to(torch.float64) / (1 << (t + scale_shift).clamp_(min=0))
    return factor.masked_fill_(variance == 0, 0)


def layernorm(
    x: Tensor,
    gain: Tensor,
    offset: Tensor,
    *,
    post_shift: int,
    shifts: Tensor | None = None,
    low: int = -128,
    high: int = 127,
) -> Tensor:
    """Normalise rows to mean 0 and variance 1, then apply gain and offset.

    Computes, with X = x << shifts and D channels: S1 = ΣX, S2 = ΣX², V = D * S2 - S1²;
    ``mu = (S1 * mean_mul + 2**(mean_shift-1)) >> mean_shift`` (16 times the mean),
    ``d = (X << 4) - mu``; V = Vn * 4**t with Vn in 2**30 .. 2**32 - 1 (low bits truncated if
    t > 0), inv = reciprocal(isqrt(Vn)), s = scale_shift + t;
    ``u = clamp18((d * inv + 2**(s-1)) >> s)``, u = 0 for constant rows;
    ``y = clamp((u * gain + offset + 2**(post_shift-1)) >> post_shift, low, high)``.

    Exact integers in float64: every product is below 2**36 before it is scaled by a power of two.
    Against real numbers, y errs by at most ``1/2 + gamma / scale_out * (1 / (32 σ) + 2**-11 +
    |z| * 2**-13)`` for rows X of deviation σ, before saturation: the mean has 4 fractional bits.

    Parameters
    ----------
    x
        int8 ``[..., D]``, D from 2 to `MAX_LENGTH`.
    gain
        int16 ``[D]``: round(gamma * D / 2**ceil(log2 D) * 2**(post_shift-10) / scale_out).
    offset
        int32 ``[D]``: round(beta / scale_out * 2**post_shift).
    post_shift
        1 to 63.
    shifts
        ``[D]``, 0 to 3: power-of-two factors of the channels; None for all 0.

    Returns
    -------
    Tensor
        int8 if ``low`` < 0, otherwise uint8; shape of ``x``.

    Source
    ------
    Ba et al., arXiv 1607.06450; power-of-two factors (PTF) of FQ-ViT, arXiv 2111.13824, 3.2.
    The square root is exact, where I-BERT (arXiv 2101.01321) iterates a fixed count. No epsilon:
    the variance of integers is 0 or at least (D - 1) / D².
    """
    length = x.shape[-1]
    constants = layernorm_constants(length)
    wide = scratch(x.shape, torch.float64, "wide").copy_(x)
    if shifts is not None:
        wide.mul_(1 << shifts)
    s1 = wide.sum(-1, keepdim=True)
    s2 = torch.linalg.vecdot(wide, wide)[..., None]
    variance = (length * s2 - s1 * s1).to(torch.int64)
    mu = torch.floor(s1 * (constants.mean_mul * 2.0**-constants.mean_shift) + 0.5)
    factor = _row_factor(variance, constants.scale_shift)
    u = torch.addcmul(0.5 - mu * factor, wide, 16 * factor, out=wide)
    u.floor_().clamp_(-(1 << 17), (1 << 17) - 1)
    scale = 2.0**-post_shift
    offset = offset.to(torch.float64) * scale + 0.5
    torch.addcmul(offset, u, gain.to(torch.float64) * scale, out=u)
    return u.floor_().clamp_(low, high).to(torch.int8 if low < 0 else torch.uint8)
