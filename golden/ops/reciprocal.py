"""Reciprocal of a normalised 16-bit integer."""

import torch
from torch import Tensor

__all__ = ["reciprocal"]


def reciprocal(n: Tensor) -> Tensor:
    """Reciprocal in units of 2**-31.

    Computes ``min(65535, floor(2**31 / n))``. Only n = 2**15 meets the bound, by one unit.

    Parameters
    ----------
    n
        Integers, any shape, 2**15 to 2**16 - 1.

    Returns
    -------
    Tensor
        int64, shape of ``n``, 2**15 to 65535; relative error below 2**-15.
    """
    return ((1 << 31) // n.to(torch.int64)).clamp_(max=65535)
