"""Power-of-two factor: one base scale per tensor and a shift of 0 to 3 per channel."""

import torch
from torch import Tensor

from golden.quantizers.uniform import Observer, bounds, dequantize, quantize, symmetric_scales

__all__ = ["MAX_SHIFT", "channel_shifts", "ptf"]

MAX_SHIFT = 3


def channel_shifts(x: Tensor, base: float, bits: int = 8) -> Tensor:
    """Shift of each channel of ``[n, channels]``: least squared error of ``base * 2**shift``.

    Of shifts with equal error the greatest wins, which leaves the most room.
    """
    x = x.double()
    errors: list[Tensor] = []
    for shift in range(MAX_SHIFT + 1):
        scale = base * 2**shift
        rounded = dequantize(quantize(x, scale, *bounds(bits)), scale)
        errors.append((x - rounded).square().sum(0))
    return MAX_SHIFT - torch.stack(errors[::-1]).argmin(0)


def ptf(x: Tensor, bits: int = 8, observer: Observer = "minmax") -> tuple[float, Tensor]:
    """Base scale and shifts of ``[n, channels]``.

    The base is an eighth of the tensor's symmetric scale, so that the widest channels take a shift
    of 3. LayerNorm then sees ``q << shift``: integers of one scale.

    Source
    ------
    FQ-ViT, arXiv:2111.13824, section 3.1 (K = 3); symmetric here, since a zero point would have to
    be subtracted before the shift.
    """
    base = symmetric_scales(x.reshape(1, -1), bits, observer).item() / (1 << MAX_SHIFT)
    return base, channel_shifts(x, base, bits)
