"""Log2 quantiser of probabilities: ``p ~ 2**-q`` with 4 bits."""

import torch
from torch import Tensor

__all__ = ["ZERO_CODE", "log2_codes", "log2_values"]

ZERO_CODE = 15  # stands for probability 0


def log2_codes(p: Tensor) -> Tensor:
    """4-bit code of probabilities 0 to 1; int64, same shape.

    With ``r = 1 / p``: ``q = min(15, floor(log2 r) + [r >= 1.5 * 2**floor(log2 r)])``. So
    ``2**-q`` lies between 3/4 and 3/2 of p, and a row that sums to 1 sums to at most 1.5 after.

    Source
    ------
    FQ-ViT, arXiv:2111.13824, section 3.2; float twin of the log2 rule of `golden.ops.softmax`.
    """
    ratio = 1 / p.double().clamp(min=2.0**-40)
    octave = torch.floor(torch.log2(ratio))
    return (octave + (ratio >= 1.5 * torch.exp2(octave))).clamp(max=ZERO_CODE).long()


def log2_values(codes: Tensor) -> Tensor:
    """``2**-q``, and 0 for code 15; float64."""
    return torch.where(codes == ZERO_CODE, 0.0, torch.exp2(-codes.double()))
