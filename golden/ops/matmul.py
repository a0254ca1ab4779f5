"""Exact integer matrix products through floating-point BLAS."""

import torch
from torch import Tensor

from golden.ops.scratch import converted

__all__ = ["exact_dtype", "matmul"]


def exact_dtype(bound: int) -> torch.dtype:
    """Fastest float type in which sums of integers are exact in any order.

    Parameters
    ----------
    bound
        Greatest possible sum of the absolute values of the terms, hence of any partial sum.

    Raises
    ------
    ValueError
        ``bound`` is 2**53 or more: no float type holds all integers up to it.
    """
    if bound < 1 << 24:
        return torch.float32
    if bound < 1 << 53:
        return torch.float64
    raise ValueError(f"sums up to {bound} exceed 2**53")


def matmul(a: Tensor, b: Tensor, bound: int) -> Tensor:
    """Exact ``a @ b`` of integers.

    Parameters
    ----------
    a, b
        Integers of any dtype, floats that hold integers included, ``[..., m, k]``, ``[..., k, n]``.
    bound
        Proven maximum over outputs of ``sum_k |a| * |b|``.

    Returns
    -------
    Tensor
        Integers ``[..., m, n]``, held in `exact_dtype` of ``bound``.

    Source
    ------
    Integers up to 2**24 (2**53) and their sums are exact in binary32 (binary64), IEEE 754.
    """
    dtype = exact_dtype(bound)
    return converted(a, dtype, "a") @ converted(b, dtype, "b")
