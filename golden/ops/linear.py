"""Accumulators of a linear layer."""

import torch
from torch import Tensor
from torch.nn import functional

from golden.ops.matmul import exact_dtype
from golden.ops.scratch import converted

__all__ = ["linear", "linear_bound", "linear_range"]


def linear_bound(weight: Tensor, bias: Tensor, magnitude: int) -> int:
    """Greatest ``sum_k |weight[o, k]| * magnitude + |bias[o]|`` over outputs o.

    Parameters
    ----------
    weight, bias
        Integers ``[out, in]`` and ``[out]``.
    magnitude
        Greatest absolute value of an input.
    """
    terms = weight.to(torch.int64).abs().sum(1) * magnitude
    return int((terms + bias.to(torch.int64).abs()).max())


def linear_range(weight: Tensor, bias: Tensor, low: int, high: int) -> tuple[int, int]:
    """Least and greatest value of ``x @ weight.T + bias`` for inputs in ``low`` .. ``high``.

    Parameters
    ----------
    weight, bias
        Integers ``[out, in]`` and ``[out]``.

    Returns
    -------
    tuple
        Attained bounds over all outputs; what pre_shift must bring into 18 bits.
    """
    wide = weight.to(torch.int64)
    positive, negative = wide.clamp(min=0).sum(1), wide.clamp(max=0).sum(1)
    offset = bias.to(torch.int64)
    least = positive * low + negative * high + offset
    greatest = positive * high + negative * low + offset
    return int(least.min()), int(greatest.max())


def linear(x: Tensor, weight: Tensor, bias: Tensor, bound: int | None = None) -> Tensor:
    """Exact accumulators ``x @ weight.T + bias``; uniform and power-of-two filters alike.

    Parameters
    ----------
    x
        8-bit integers ``[..., in]``.
    weight, bias
        Integers ``[out, in]`` and ``[out]``, or the same as floats in `exact_dtype` of ``bound``.
    bound
        `linear_bound`, if known; computed for inputs of any 8 bits otherwise.

    Returns
    -------
    Tensor
        Integers ``[..., out]`` held in `exact_dtype`, see `matmul`.
    """
    dtype = exact_dtype(linear_bound(weight, bias, 255) if bound is None else bound)
    return functional.linear(converted(x, dtype, "x"), weight.to(dtype), bias.to(dtype))
