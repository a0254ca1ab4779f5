"""Accumulators of a convolution."""

from torch import Tensor
from torch.nn import functional

from golden.ops.linear import linear_bound
from golden.ops.matmul import exact_dtype
from golden.padding import padded

__all__ = ["conv"]


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    pad: Tensor,
    *,
    size: tuple[int, int],
    stride: int,
    padding: int,
    groups: int,
    bound: int | None = None,
) -> Tensor:
    """Exact accumulators of a convolution over pixels; uniform and power-of-two filters alike.

    Computes ``acc[y, x, o] = sum w[o, c, i, j] * p[stride * y + i, stride * x + j, c] + bias[o]``
    over the channels c of o's group, with p the image inside ``padding`` pixels of value ``pad``.

    Parameters
    ----------
    x
        8-bit integers ``[batch, height * width, in]``, row by row.
    weight, bias
        Integers ``[out, in / groups, kernel, kernel]`` and ``[out]``.
    pad
        8-bit integers ``[in]``: what stands for the value 0 of each channel.
    size
        Height and width of the image.
    bound
        `linear_bound` of the filters as rows, if known.

    Returns
    -------
    Tensor
        Integers ``[batch, pixels, out]`` held in `exact_dtype`, see `matmul`.

    Source
    ------
    Definition; one product of a tap is a slice of k of a matrix product, so no copy of the image is
    needed where addresses are generated.
    """
    if bound is None:
        bound = linear_bound(weight.flatten(1), bias, 255)
    dtype = exact_dtype(bound)
    image = x.to(dtype).transpose(1, 2).unflatten(2, size)  # [batch, in, height, width]
    if padding:
        image = padded(image, pad, padding)
    acc = functional.conv2d(image, weight.to(dtype), bias.to(dtype), stride, groups=groups)
    return acc.flatten(2).transpose(1, 2)
