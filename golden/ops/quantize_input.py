"""The one place where floats become integers."""

import torch
from torch import Tensor

from golden.qnetwork import QTensor

__all__ = ["quantize", "quantize_input"]


def quantize(x: Tensor, out: QTensor) -> Tensor:
    """Round to the integers of ``out``: ``clamp(floor(x / scale + 0.5) + zero_point)``.

    Computed in float64; ties round up; NaN is the caller's error.

    Parameters
    ----------
    x
        Floats, any shape.
    out
        Format with one scale for the tensor.

    Returns
    -------
    Tensor
        int8 or uint8 by ``out.signed``, shape of ``x``.
    """
    q = x.to(torch.float64).div(out.scale).add_(0.5).floor_().add_(out.zero_point)
    return q.clamp_(out.low, out.high).to(torch.int8 if out.signed else torch.uint8)


def quantize_input(images: Tensor, out: QTensor) -> Tensor:
    """Quantise float images, or pass integers that already are in the format of ``out``.

    Parameters
    ----------
    images
        ``[batch, *out.shape]``, batch at least 1: floats, or integers from ``out.low`` to
        ``out.high``.
    out
        Format of the network's input.

    Returns
    -------
    Tensor
        int8 or uint8 by ``out.signed``, shape of ``images``.

    Raises
    ------
    ValueError
        Wrong shape, a value that is not finite, or an integer outside the format.
    """
    if images.shape[:1] == (0,) or images.shape[1:] != out.shape:
        raise ValueError(
            f"images must have shape [batch, {', '.join(map(str, out.shape))}] with batch at "
            f"least 1, not {list(images.shape)}"
        )
    if images.is_floating_point():
        if not images.isfinite().all():
            raise ValueError("images must be finite, but at least one value is NaN or infinite")
        return quantize(images, out)
    if images.numel() and not (out.low <= int(images.min()) and int(images.max()) <= out.high):
        raise ValueError(f"integer images must be within {out.low} .. {out.high}")
    return images.to(torch.int8 if out.signed else torch.uint8)
