"""Product of log2 probabilities with values, by shifts."""

import torch
from torch import Tensor

from golden.ops.matmul import matmul

__all__ = ["LOG2_ROW_SUM", "log2_matmul"]

# Greatest sum of 2**(14 - q) over a row of log2 `softmax`: q is rounded so that 2**-q is below
# 3/2 of e / (n * 2**t), and the sum of all e is below (n + 1) * 2**t with n >= 2**15.
LOG2_ROW_SUM = (3 << 13) * ((1 << 15) + 1) >> 15


def log2_matmul(codes: Tensor, values: Tensor, row_sum: int | None = None) -> Tensor:
    """Exact ``sum_k values[k] << (14 - codes[k])``; code 15 contributes 0.

    Parameters
    ----------
    codes
        uint8 ``[..., m, k]``, 0 to 15: probability 2**-code, 15 for 0.
    values
        int8 ``[..., k, n]``.
    row_sum
        Proven bound of ``sum_k 2**(14 - codes[k])``, `LOG2_ROW_SUM` for the output of
        log2 `softmax`; without it the bound of arbitrary codes.

    Returns
    -------
    Tensor
        Integers ``[..., m, n]`` in units of 2**-14 times the scale of ``values``, held in a
        float type (see `matmul`).

    Source
    ------
    FQ-ViT, arXiv 2111.13824, 3.3 (log-int-softmax turns the product into shifts).
    """
    powers = torch.tensor([2.0 ** (14 - q) for q in range(15)] + [0.0])
    weights = powers.index_select(0, codes.to(torch.int32).view(-1)).view(codes.shape)
    row_sum = codes.shape[-1] << 14 if row_sum is None else row_sum
    return matmul(weights, values, row_sum << 7)
