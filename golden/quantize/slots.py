"""Formats of activations with several scales or zero points, each a table of its own.

Source
------
Trio-ViT, arXiv:2405.03882, section III: migration of the scales of channels from the inputs of
depthwise convolutions to their weights; shifting of the inputs of second pointwise convolutions,
which their bias makes good. Ours are by slot instead of by channel, and factors are powers of two.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from golden.qnetwork import QTensor
from golden.quantizers import MAX_SHIFT, bounds

__all__ = ["MAX_SLOTS", "migrated", "shifted"]

MAX_SLOTS = 4
FARTHEST = 4095  # zero points

Made = tuple[float, Callable[[float], QTensor]]  # scale to start from, and the format of a scale


def _limits(x: Tensor) -> tuple[Tensor, Tensor]:
    low, high = x.flatten(0, -2).double().aminmax(dim=0)
    return low, high


def migrated(x: Tensor, bits: int) -> Made:
    """A factor 1, 2, 4 or 8 for each channel, and a zero point for each factor.

    Parameters
    ----------
    x
        ``[n, .., channels]``; 0 is exact in every channel, as padding needs it.
    """
    low, high = (
        end.clamp(max=0) if i == 0 else end.clamp(min=0) for i, end in enumerate(_limits(x))
    )
    width = (high - low).clamp(min=1e-9)
    exponent = torch.floor(torch.log2(width.max() / width))
    shifts = (MAX_SHIFT - exponent).clamp(min=0).long()
    least, greatest = bounds(bits)
    first = torch.stack([
        low[shifts == s].min() if (shifts == s).any() else low.max() for s in range(4)
    ])

    def made(scale: float) -> QTensor:
        zeros = torch.round(least - first / (scale * torch.exp2(torch.arange(4.0)))).long()
        zeros = zeros.clamp(least, greatest)[shifts]
        return QTensor(
            shape=tuple(x.shape[1:]),
            bits=bits,
            scale=scale,
            shifts=tuple(shifts.tolist()),
            zero_points=tuple(zeros.tolist()),
        )

    return width.max().item() / (greatest - least) / (1 << MAX_SHIFT), made


def shifted(x: Tensor, bits: int) -> Made:
    """One scale, and a zero point for each of up to `MAX_SLOTS` sets of channels.

    The sets are those for which the widest is least wide: channels in the order of their least
    value, greedily joined, for the least width with which that gives few enough.
    """
    low, high = _limits(x)
    narrow, wide = (high - low).max().item(), (high.max() - low.min()).item()
    for _ in range(30):
        width = (narrow + wide) / 2
        if int(_joined(low, high, width).max()) < MAX_SLOTS:
            wide = width
        else:
            narrow = width
    slot = _joined(low, high, wide)
    first = torch.stack([low[slot == s].min() for s in range(int(slot.max()) + 1)])
    least, greatest = bounds(bits)

    def made(scale: float) -> QTensor:
        zeros = torch.round(least - first / scale).long().clamp(-FARTHEST, FARTHEST)[slot]
        return QTensor(
            shape=tuple(x.shape[1:]), bits=bits, scale=scale, zero_points=tuple(zeros.tolist())
        )

    return max(wide, 1e-9) / (greatest - least), made


def _joined(low: Tensor, high: Tensor, width: float) -> Tensor:
    """Set of each channel if no set may be wider than ``width``; int64."""
    slot = torch.zeros(len(low), dtype=torch.int64)
    number, start = 0, low.min().item()
    for channel in low.argsort().tolist():
        if high[channel].item() - start > width:
            number, start = number + 1, low[channel].item()
        slot[channel] = number
    return slot
