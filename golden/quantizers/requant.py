"""Scales of a layer as the integers of POST and LayerNorm: multipliers and shifts."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from golden.quantizers.uniform import round_half_up

__all__ = ["Norm", "Requant", "fit_norm", "fit_requant", "half", "pre_shift_for"]

T_LIMIT = 1 << 17  # t = (acc + bias) >> pre_shift has 18 bits signed
MAX_MUL = 65535
MAX_EXPONENT = 15  # shift only: mul is 2**0 .. 2**15
MAX_PRE_SHIFT = 15
MAX_POST_SHIFT = 32  # |t * mul| < 2**33: beyond, nothing is left


class Requant(NamedTuple):
    """``y = (((acc + bias) >> pre_shift) * mul + residual * residual_mul) >> post_shift``."""

    mul: Tensor  # int32 [channels]
    residual_mul: Tensor | None
    pre_shift: int
    post_shift: int


class Norm(NamedTuple):
    """Integers of LayerNorm's last step, see `golden.ops.layernorm`."""

    gain: Tensor  # int16 [channels]
    offset: Tensor  # int32 [channels]
    post_shift: int


def half(pre_shift: int) -> int:
    """What the bias must include so that the floor of ``>> pre_shift`` rounds half up."""
    return 1 << pre_shift >> 1


def pre_shift_for(low: int, high: int) -> int:
    """Least pre_shift with ``(x + half) >> pre_shift`` in 18 bits for x from low to high."""
    shift = 0
    while high + half(shift) >> shift >= T_LIMIT or low + half(shift) >> shift < -T_LIMIT:
        shift += 1
    return shift


def fit_requant(
    ratio: Tensor,
    low: int,
    high: int,
    *,
    residual: Tensor | None = None,
    mode: Literal["multiplier", "shift"] = "multiplier",
) -> Requant:
    """Choose the integers of a requantisation.

    Parameters
    ----------
    ratio
        float64 ``[channels]``, above 0: scale of the accumulator over scale of the output.
    low, high
        Least and greatest possible value of ``acc + bias`` over all channels.
    residual
        float64 ``[channels]``: scale of the residual over scale of the output.
    mode
        ``shift``: all ratios are powers of two and so are the multipliers, exactly.

    Returns
    -------
    Requant
        ``mul = ratio * 2**(pre_shift + post_shift)`` and ``residual_mul = residual *
        2**post_shift``, rounded half up. The post_shift is the greatest that keeps both in 16
        bits. A residual may so leave few bits to ``mul``; pre_shift is then raised until the
        errors of rounding ``mul`` and of dropping bits of ``t`` are about equal.
    """
    pre_shift = pre_shift_for(low, high)
    extra = torch.zeros(1, dtype=torch.float64) if residual is None else residual
    if mode == "shift":
        return _fit_shift(ratio, residual, pre_shift)
    while True:
        top = torch.cat((ratio * 2.0**pre_shift, extra)).max().item()
        post_shift = max(1, min(MAX_POST_SHIFT, _floor_log2(MAX_MUL / top)))
        mul = ratio * 2.0 ** (pre_shift + post_shift)
        # A mul of m errs by 1/2m of the output, so up to 64/m units; t by 0.3 m / 2**post_shift
        # units. They meet at m = 2**(post_shift / 2 + 4).
        if mul.max() >= 2 ** (post_shift / 2 + 3) or pre_shift == MAX_PRE_SHIFT:
            break
        pre_shift += 1
    second = None if residual is None else residual * 2.0**post_shift
    return Requant(
        _multipliers(mul), None if second is None else _multipliers(second), pre_shift, post_shift
    )


def _multipliers(exact: Tensor) -> Tensor:
    return round_half_up(exact).clamp(max=MAX_MUL).to(torch.int32)


def _floor_log2(x: float) -> int:
    return int(torch.tensor(x, dtype=torch.float64).log2().floor())


def _fit_shift(ratio: Tensor, residual: Tensor | None, pre_shift: int) -> Requant:
    """Exponents 0 to 15; where a channel would need less than 0, the bits go to pre_shift."""
    exponent = ratio.log2().round()
    extra = exponent[:0] if residual is None else residual.log2().round()
    while True:
        top = torch.cat((exponent + pre_shift, extra)).max().item()
        post_shift = max(1, min(MAX_POST_SHIFT, MAX_EXPONENT - int(top)))
        low = exponent.min().item() + pre_shift + post_shift
        raised = exponent.max().item() + pre_shift + post_shift
        if low >= 0 or raised >= MAX_EXPONENT or pre_shift == MAX_PRE_SHIFT:
            break
        pre_shift += 1
    mul = _powers(exponent + pre_shift + post_shift)
    second = None if residual is None else _powers(extra + post_shift)
    return Requant(mul, second, pre_shift, post_shift)


def _powers(exponent: Tensor) -> Tensor:
    """``2**exponent`` as int32; 0 where the exponent is negative: less than a unit's 2**-15."""
    return torch.where(exponent < 0, 0.0, torch.exp2(exponent)).to(torch.int32)


def fit_norm(gamma: Tensor, beta: Tensor, scale_out: float) -> Norm:
    """Choose gain, offset and post_shift of a LayerNorm over ``len(gamma)`` channels.

    ``gain = round(gamma * D / 2**ceil(log2 D) * 2**(post_shift - 10) / scale_out)`` in int16,
    ``offset = round(beta / scale_out * 2**post_shift)`` in int32, post_shift the greatest that
    both allow.
    """
    length = len(gamma)
    slope = gamma.double() * (length / 2.0 ** (length - 1).bit_length() / scale_out * 2.0**-10)
    start = beta.double() / scale_out
    room = min(
        (32767 / slope.abs().max().clamp(min=1e-30)).item(),
        ((2**31 - 1) / start.abs().max().clamp(min=1e-30)).item(),
    )
    post_shift = max(1, min(MAX_POST_SHIFT, _floor_log2(room)))
    gain, offset = (round_half_up(v * 2.0**post_shift) for v in (slope, start))
    return Norm(gain.to(torch.int16), offset.to(torch.int32), post_shift)
