"""Pixels beyond the edges of an image."""

import torch
from torch import Tensor

__all__ = ["padded"]


def padded(pixels: Tensor, pad: Tensor, width: int) -> Tensor:
    """Put ``width`` pixels of value ``pad`` beyond every edge.

    Parameters
    ----------
    pixels
        ``[n, channels, height, width]``, any dtype.
    pad
        ``[channels]``, one value for each channel.

    Returns
    -------
    Tensor
        ``[n, channels, height + 2 * width, width + 2 * width]``.
    """
    n, channels, height, length = pixels.shape
    shape = (n, channels, height + 2 * width, length + 2 * width)
    whole = (
        pad
        .to(pixels.dtype)[:, None, None]
        .expand(shape)
        .clone(memory_format=torch.contiguous_format)
    )
    whole[:, :, width : width + height, width : width + length] = pixels
    return whole
