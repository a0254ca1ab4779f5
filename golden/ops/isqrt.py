"""Integer square root."""

import torch
from torch import Tensor

__all__ = ["isqrt"]

_GREATEST = 3037000499  # floor(sqrt(2**63 - 1))


def isqrt(x: Tensor) -> Tensor:
    """Exact floor of the square root.

    Computes ``r = floor(sqrt(x))``: r² <= x < (r + 1)². The double root of a double rounded from
    an int64 is off by less than one, so one step down and one step up converge for every input.

    Parameters
    ----------
    x
        Integers, any shape, 0 to 2**63 - 1.

    Returns
    -------
    Tensor
        int64, shape of ``x``.

    Source
    ------
    Definition; peers' Newton iterations that stop after a fixed count miss k² - 1 and k².
    """
    x = x.to(torch.int64)
    root = x.to(torch.float64).sqrt_().to(torch.int64).clamp_(max=_GREATEST)
    root -= (root * root > x).to(torch.int64)
    rest = x - root * root  # (root + 1)² <= x without the product, which may overflow
    return root + (rest > 2 * root).to(torch.int64)
