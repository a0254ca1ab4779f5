"""Cutting an image into patches."""

from torch import Tensor

__all__ = ["patches"]


def patches(image: Tensor, size: int) -> Tensor:
    """Rearrange images into flattened square patches; no arithmetic.

    Parameters
    ----------
    image
        ``[batch, channels, height, width]``, any dtype; height and width multiples of ``size``.
    size
        Side of a patch in pixels.

    Returns
    -------
    Tensor
        ``[batch, patches, channels * size * size]``: patches row-major, elements in the order
        (channel, y, x), as a convolution with stride ``size`` reads them.
    """
    batch, channels, height, width = image.shape
    tiles = image.reshape(batch, channels, height // size, size, width // size, size)
    tiles = tiles.permute(0, 2, 4, 1, 3, 5)  # [batch, rows, columns, channels, size, size]
    return tiles.reshape(batch, -1, channels * size * size)
