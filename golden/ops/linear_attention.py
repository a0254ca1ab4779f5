"""Linear attention with a ReLU kernel on integers: sums over keys, divisors, quotients.

All of it per head, on tokens ``[batch, tokens, heads * dim]``. ReLU is part of every definition:
keys and queries are read as ``max(x, 0)``.
"""

import torch
from torch import Tensor

from golden.ops.matmul import matmul

__all__ = [
    "divide_exact",
    "divide_log2",
    "divisor",
    "float_round",
    "invert",
    "key_sum",
    "key_value",
    "log2_round",
    "query_values",
    "reciprocals",
]

CODE_BITS = 4  # of a log2 divisor
HIDDEN = 128  # least mantissa


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # [batch, heads, tokens, dim]


def key_value(k: Tensor, v: Tensor, heads: int, bound: int) -> Tensor:
    """Exact ``sum over tokens of v[e] * max(k[c], 0)``.

    Parameters
    ----------
    k, v
        8-bit integers ``[batch, tokens, heads * dim]``.
    bound
        Proven maximum of the sum of the absolute values of the terms.

    Returns
    -------
    Tensor
        Integers ``[batch, dim, heads * dim]``: row e, column head and c; held in a float type.

    Source
    ------
    EfficientViT, arXiv:2205.14756, equation 3.
    """
    product = matmul(_heads(v, heads).mT, _heads(k.clamp(min=0), heads), bound)
    return product.transpose(1, 2).flatten(2)


def key_sum(k: Tensor) -> Tensor:
    """Exact ``sum over tokens of max(k, 0)``: int64 ``[batch, 1, channels]``."""
    return k.clamp(min=0).sum(1, keepdim=True, dtype=torch.int64)


def divisor(q: Tensor, sums: Tensor, heads: int) -> Tensor:
    """Exact ``sum over c of max(q[c], 0) * sums[c]``.

    Parameters
    ----------
    q
        8-bit integers ``[batch, tokens, heads * dim]``.
    sums
        8-bit integers from 0 ``[batch, 1, heads * dim]``.

    Returns
    -------
    Tensor
        int64 ``[batch, tokens, heads]``.
    """
    product = q.clamp(min=0).to(torch.int64) * sums.to(torch.int64)
    return product.unflatten(-1, (heads, -1)).sum(-1)


def query_values(q: Tensor, kv: Tensor, heads: int, bound: int) -> Tensor:
    """Exact numerators ``sum over c of max(q[c], 0) * kv[e, c]``.

    Parameters
    ----------
    q
        8-bit integers ``[batch, tokens, heads * dim]``.
    kv
        8-bit integers ``[batch, dim, heads * dim]``, as `key_value` lays them.

    Returns
    -------
    Tensor
        Integers ``[batch, tokens, heads * dim]``, held in a float type.
    """
    product = matmul(_heads(q.clamp(min=0), heads), _heads(kv, heads).mT, bound)
    return product.transpose(1, 2).flatten(2)


def log2_round(x: Tensor, bits: int = CODE_BITS) -> Tensor:
    """Exponent of the power of two that stands for x: ``min(2**bits - 1, i + [bit i-1 of x])``.

    i is the index of the leading one of x; 0 is taken as 1, so its code is 0. From 1.5 times a
    power of two on, the next one is taken: ``2**code`` is above 2/3 and at most 4/3 of x, unless x
    is 0 or the code is the greatest.

    Parameters
    ----------
    x
        Integers from 0, below 2**52.

    Returns
    -------
    Tensor
        uint8, shape of ``x``.

    Source
    ------
    Trio-ViT, arXiv:2405.03882, leading-one detector. Its paper rounds at 1.5 as here, its code at
    the square root of 2: they differ for 82 of the numbers below 1024.
    """
    x = x.to(torch.int64).clamp(min=1)
    leading = _leading(x)
    below = (2 * x) >> leading & 1  # bit i-1 of x; bit i of 2x
    return (leading + below * (leading > 0)).clamp(max=(1 << bits) - 1).to(torch.uint8)


def _leading(x: Tensor) -> Tensor:
    """Index of the leading one of integers from 1, below 2**52."""
    return torch.frexp(x.to(torch.float64))[1].to(torch.int64) - 1


def float_round(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mantissa of 8 bits and exponent: ``m = min(255, (256 x + 2**e) >> (e + 1))``, half up.

    e is the index of the leading one of x, for 0 that of 1. ``m * 2**(e - 7)`` is x exactly below
    256; above it errs by less than 1/256 of x.

    Parameters
    ----------
    x
        Integers from 0 to 2**17 - 1.

    Returns
    -------
    tuple
        int64 mantissa 128 to 255, of 0 it is 0; int64 exponent 0 to 16; shape of ``x``.
    """
    x = x.to(torch.int64)
    exponent = _leading(x.clamp(min=1))
    return ((x << 8) + (1 << exponent) >> exponent + 1).clamp_(max=255), exponent


def reciprocals(numerator: float) -> Tensor:
    """Table of ``min(65535, round(numerator / m))`` for mantissas m of `float_round`.

    Entries below 128 are that of 128: a divisor of 0 counts as 1.

    Returns
    -------
    Tensor
        int32 ``[256]``.
    """
    mantissa = torch.arange(256, dtype=torch.float64).clamp(min=HIDDEN)
    return torch.floor(numerator / mantissa + 0.5).clamp(max=65535).to(torch.int32)


def invert(x: Tensor, table: Tensor) -> Tensor:
    """Reciprocals of divisors: ``r = table[m]``, to be taken times ``2**-e``; see `float_round`.

    Parameters
    ----------
    x
        Integers from 0 to 2**17 - 1, ``[..., heads]``.
    table
        256 entries from 0 to 65535.

    Returns
    -------
    Tensor
        uint8 ``[..., 3 * heads]``: low bytes of r, high bytes of r, exponents e.
    """
    mantissa, exponent = float_round(x)
    factor = table.to(torch.int64)[mantissa]
    return torch.cat((factor & 255, factor >> 8, exponent), dim=-1).to(torch.uint8)


def divide_log2(
    acc: Tensor, codes: Tensor, *, mul: int, pre_shift: int, post_shift: int, low: int, high: int
) -> Tensor:
    """Numerators over powers of two: a requantisation of which the divisor sets the shift.

    ``t = acc >> pre_shift`` (floor), ``s = post_shift + code``,
    ``y = clamp((t * mul + 2**(s - 1)) >> s, low, high)``.

    Parameters
    ----------
    acc
        Integers ``[batch, tokens, heads * dim]``, t in 18 bits signed.
    codes
        uint8 ``[batch, tokens, heads]`` of `log2_round`; post_shift + code from 1 to 32.

    Returns
    -------
    Tensor
        int8, shape of ``acc``; 0 where ``acc`` is 0, whatever the divisor.
    """
    shift = torch.exp2(-codes.to(torch.float64) - post_shift)
    t = torch.floor(acc.to(torch.float64) * 2.0**-pre_shift)
    y = torch.floor(t * mul * _spread(shift, t) + 0.5)
    return y.clamp_(low, high).to(torch.int8)


def divide_exact(
    acc: Tensor, inverse: Tensor, *, pre_shift: int, post_shift: int, low: int, high: int
) -> Tensor:
    """Numerators times reciprocals: a requantisation of which the divisor sets factor and shift.

    ``t = acc >> pre_shift`` (floor), ``s = post_shift + e``,
    ``y = clamp((t * r + 2**(s - 1)) >> s, low, high)``.

    Parameters
    ----------
    acc
        Integers ``[batch, tokens, heads * dim]``, t in 18 bits signed.
    inverse
        uint8 ``[batch, tokens, 3 * heads]``: r and e of `invert`; post_shift + e from 1 to 32.

    Returns
    -------
    Tensor
        int8, shape of ``acc``; 0 where ``acc`` is 0, whatever the divisor.
    """
    least, most, exponent = inverse.to(torch.float64).chunk(3, dim=-1)
    factor = (least + 256 * most) * torch.exp2(-exponent - post_shift)
    t = torch.floor(acc.to(torch.float64) * 2.0**-pre_shift)
    y = torch.floor(t * _spread(factor, t) + 0.5)
    return y.clamp_(low, high).to(torch.int8)


def _spread(each: Tensor, like: Tensor) -> Tensor:
    """One value for each head to one for each of its channels."""
    return each.repeat_interleave(like.shape[-1] // each.shape[-1], dim=-1)
