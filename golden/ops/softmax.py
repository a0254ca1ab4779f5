"""Softmax on integers, with 8-bit linear or 4-bit logarithmic probabilities."""

import math

import torch
from torch import Tensor

from golden.ops.matmul import exact_dtype
from golden.ops.reciprocal import reciprocal
from golden.ops.scratch import scratch

__all__ = ["exp_table", "softmax"]


def exp_table(scale: float) -> Tensor:
    """Exponentials of the distance to the row's maximum: ``round(32768 * exp(-scale * i))``.

    Parameters
    ----------
    scale
        Scale of the softmax input, > 0.

    Returns
    -------
    Tensor
        int32 ``[256]``, 0 to 32768, entry 0 is 32768.
    """
    return torch.tensor(
        [round(32768 * math.exp(-scale * i)) for i in range(256)], dtype=torch.int32
    )


def _exponentials(x: Tensor, table: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return e in scratch memory, in the shape of x, and int64 n and t ``[..., 1]`` of its sum."""
    distance = scratch(x.shape, torch.int32, "distance").copy_(x)
    torch.sub(distance.amax(-1, keepdim=True), distance, out=distance)
    e = scratch(x.shape, dtype, "e")
    torch.index_select(table.to(dtype), 0, distance.view(-1), out=e.view(-1))
    total = e.sum(
        -1, keepdim=True, dtype=torch.promote_types(dtype, exact_dtype(x.shape[-1] << 15))
    )
    t = torch.frexp(total)[1].to(torch.int64) - 16  # floor(log2(total)) - 15
    return e, total.to(torch.int64) >> t, t


def _linear(e: Tensor, n: Tensor, t: Tensor, bits: int) -> Tensor:
    h = 31 + t - bits
    factor = reciprocal(n).to(torch.float64) / (1 << h)
    half = torch.tensor(0.5, dtype=torch.float64)
    p = torch.addcmul(half, e, factor, out=e)  # exact: e * reciprocal is at most 2**31
    return p.floor_().clamp_(max=(1 << bits) - 1)


def _log2(e: Tensor, n: Tensor, t: Tensor) -> Tensor:
    # q is the greatest with 3e * 2**q <= 4n * 2**t: the binary exponent of the ratio. Both sides
    # have at most 18 bits, so the rounded ratio is below a power of two only if the exact one is.
    ratio = torch.div((n << (t + 2)).to(torch.float32), e.mul_(3), out=e)
    q = (ratio.view(torch.int32) >> 23).sub_(127)  # e = 0: infinity, 128
    return q.clamp_(max=15)


def softmax(x: Tensor, table: Tensor, *, bits: int = 8, log2: bool = False) -> Tensor:
    """Softmax over the last axis.

    With m = max(x): ``e_j = table[m - x_j]``, S = Σe, t = floor(log2 S) - 15, n = S >> t, so n in
    2**15 .. 2**16 - 1. Exact integers in both definitions:

    - linear: ``p = min(2**bits - 1, (e * reciprocal(n) + 2**(h-1)) >> h)``, h = 31 + t - bits, in
      units of 2**-bits;
    - log2: probability 2**-q, 15 for 0. e = 0 gives q = 15, otherwise with ``me = e << z`` in
      2**15 .. 2**16 - 1: ``q = min(15, t + z + [2n >= 3me] - [4n < 3me])``, so 2**-q is the power
      of two from 3/4 to 3/2 of e / (n * 2**t).

    Parameters
    ----------
    x
        8-bit integers ``[..., n]``, n from 1 to 2048.
    table
        256 entries 0 to 32768, entry 0 is 32768 (`exp_table`).
    bits
        2 to 8, of linear probabilities.
    log2
        Which definition.

    Returns
    -------
    Tensor
        uint8, shape of ``x``.

    Source
    ------
    Milakov and Gimelshein, arXiv 1805.02867 (maximum subtracted); the table takes the place of
    I-BERT's polynomial. log2: FQ-ViT, arXiv 2111.13824, 3.3 and its code (rounds at 1.5), which
    rounds the ratio to an integer first; here it is exact.
    """
    e, n, t = _exponentials(x, table, torch.float32 if log2 else torch.float64)
    return (_log2(e, n, t) if log2 else _linear(e, n, t, bits)).to(torch.uint8)
