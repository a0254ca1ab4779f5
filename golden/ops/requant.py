"""Requantisation of accumulators to 8-bit lanes; the twin of POST."""

import torch
from torch import Tensor

from golden.ops.scratch import converted, scratch

__all__ = ["lookup", "lookup_slots", "requant"]


def requant(
    acc: Tensor,
    bias: Tensor | None,
    mul: Tensor,
    *,
    post_shift: int,
    pre_shift: int = 0,
    zero_point: int = 0,
    low: int = -128,
    high: int = 127,
    residual: Tensor | None = None,
    residual_mul: Tensor | None = None,
) -> Tensor:
    """Scale accumulators, optionally add a residual, round and saturate once, last.

    Computes ``t = (acc + bias) >> pre_shift`` (floor), ``u = t * mul + residual * residual_mul +
    2**(post_shift - 1)``, ``y = clamp((u >> post_shift) + zero_point, low, high)``: round half up.

    Runs in float64, where every value of the formula is exact: |u| < 2**35, and scaling by a
    power of two keeps all bits. Beyond post_shift 45, where adding the half would drop bits,
    |u| < 2**(post_shift - 10), so the dropped bits cannot reach the floor.

    Parameters
    ----------
    acc
        Integers of any dtype, floats from `matmul` included, ``[..., channels]``, with
        ``t`` in 18 bits signed (see `golden.storage.validate`).
    bias
        int32, ``[channels]`` or one element; None if ``acc`` includes it.
    mul, residual_mul
        0 to 65535, ``[channels]`` or one element.
    post_shift
        1 to 63.
    residual
        8-bit integers in the shape of ``acc``; given together with ``residual_mul``.

    Returns
    -------
    Tensor
        int8 if ``low`` < 0, otherwise uint8; shape of ``acc``.

    Source
    ------
    Jacob et al., arXiv 1712.05877, 2.2, with one shift per tensor; shift-only is ``mul = 2**e``
    (P²-ViT, arXiv 2405.19915). The hardware reads 255 for mul 0.
    """
    u = scratch(acc.shape, torch.float64, "u").copy_(acc)
    if bias is not None:
        u.add_(bias)
    if pre_shift:
        u.mul_(2.0**-pre_shift).floor_()
    scale = 2.0**-post_shift
    half = torch.full_like(mul, 0.5 + zero_point, dtype=torch.float64)
    torch.addcmul(half, u, mul.to(torch.float64) * scale, out=u)
    if residual is not None and residual_mul is not None:
        wide = converted(residual, torch.float64, "residual")
        u.addcmul_(wide, residual_mul.to(torch.float64) * scale)
    u.floor_().clamp_(low, high)
    return u.to(torch.int8 if low < 0 else torch.uint8)


def lookup(y: Tensor, table: Tensor) -> Tensor:
    """Apply a table to signed 8-bit values: ``table[y + 128]``.

    Parameters
    ----------
    y
        int8, any shape.
    table
        256 entries, indexed by the value plus 128.

    Returns
    -------
    Tensor
        Dtype of ``table``, shape of ``y``.
    """
    index = y.to(torch.int32).add_(128).view(-1)
    return table.index_select(0, index).view(y.shape)


def lookup_slots(y: Tensor, tables: Tensor, slot: Tensor) -> Tensor:
    """Apply to each channel the table of its slot: ``tables[slot[c], y + 128]``.

    Parameters
    ----------
    y
        int8 ``[.., channels]``.
    tables
        ``[slots, 256]``, indexed by the value plus 128.
    slot
        ``[channels]``, 0 to slots - 1.

    Returns
    -------
    Tensor
        Dtype of ``tables``, shape of ``y``.
    """
    index = y.to(torch.int32).add_(128).add_(slot.to(torch.int32) * 256).view(-1)
    return tables.flatten().index_select(0, index).view(y.shape)
