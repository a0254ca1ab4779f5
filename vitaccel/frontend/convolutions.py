"""Operators on images ``[1, channels, height, width]``: convolution, batch norm, pooling."""

from collections.abc import Sequence

import torch
from torch import Tensor

from golden.network import Conv, Input, Linear, Patches, Pool
from vitaccel.frontend.builder import Builder
from vitaccel.frontend.registry import Value, computed, known, need, operator
from vitaccel.frontend.views import Refused, View, pixels, tokens

__all__ = ["conv2d", "normalized"]

LARGEST = 7  # side of a kernel
STRIDES = (1, 2)


@operator("conv2d")
def conv2d(
    b: Builder,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] | str = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> View:
    view, kernel = computed(x, "image"), known(weight, "weight")
    offset = torch.zeros(len(kernel)) if bias is None else known(bias, "bias")
    need(set(dilation) == {1}, f"a convolution must have no dilation, not {list(dilation)}")
    margins = _margins(padding, kernel)
    view, kernel, offset, pad = _unnormalized(view, kernel, offset, groups)
    square = kernel.shape[2] == kernel.shape[3]
    is_image = isinstance(b.layers[view.source], Input)
    if is_image and square and set(stride) == {kernel.shape[2]} and margins == {0} and groups == 1:
        return _patches(b, view, kernel, offset)
    need(
        square and kernel.shape[2] <= LARGEST,
        f"a convolution must have a square kernel of 1 to {LARGEST} pixels a side, "
        f"not {list(kernel.shape[2:])}",
    )
    need(
        len(set(stride)) == 1 and stride[0] in STRIDES,
        f"a convolution must have a stride of 1 or 2, not {list(stride)}",
    )
    need(
        len(margins) == 1 and max(margins) < kernel.shape[2],
        "a convolution must be padded alike on all sides, by less than its kernel",
    )
    return _convolved(b, view, kernel, offset, pad, stride[0], max(margins), groups)


def _margins(padding: Sequence[int] | str, kernel: Tensor) -> set[int]:
    if padding == "valid":
        return {0}
    if padding == "same":
        return {side // 2 for side in kernel.shape[2:]}
    return {int(width) for width in padding}


def _unnormalized(
    view: View, kernel: Tensor, bias: Tensor, groups: int
) -> tuple[View, Tensor, Tensor, Tensor]:
    """Let weights and bias do what was to be done to the image; what then lies beyond its edges."""
    n_in = kernel.shape[1] * groups
    if view.affine is None:
        return view, kernel, bias, torch.zeros(n_in)
    factor, shift = (part.expand(n_in) for part in view.affine)
    each = factor.reshape(groups, 1, -1, 1, 1)
    plus = (kernel.unflatten(0, (groups, -1)) * shift.reshape(groups, 1, -1, 1, 1)).sum((2, 3, 4))
    kernel = (kernel.unflatten(0, (groups, -1)) * each).flatten(0, 1)
    return View(view.source, view.index), kernel, bias + plus.flatten(), -shift / factor


def _patches(b: Builder, view: View, kernel: Tensor, bias: Tensor) -> View:
    size = kernel.shape[-1]
    channels, height, width = view.index.shape[-3:]
    need(
        height % size == width % size == 0,
        f"image of {height} x {width} pixels is no whole number of patches of {size} x {size}",
    )
    image = b.operand(view, view.index.reshape(channels, height, width))
    shape = (height // size * (width // size), channels * size * size)
    name = b.emit(Patches(b.fresh("patches"), shape, image, size)).source
    layer = Linear(b.fresh("linear", own=True), (shape[0], len(kernel)), name)
    out = b.emit(layer, weight=kernel.flatten(1), bias=bias)
    return out.moved(out.index.T).shaped(1, -1, height // size, width // size)


def _convolved(
    b: Builder,
    view: View,
    kernel: Tensor,
    bias: Tensor,
    pad: Tensor,
    stride: int,
    padding: int,
    groups: int,
) -> View:
    channels, height, width = view.index.shape[-3:]
    if isinstance(b.layers[view.source], Input):
        image = b.operand(view, view.index.reshape(channels, height, width))
        patches = Patches(b.fresh("pixels"), (height * width, channels), image, 1)
        source = b.emit(patches).source
    else:
        source = b.operand(view, pixels(view.index), "channels")
    side = kernel.shape[-1]
    rows, columns = ((n + 2 * padding - side) // stride + 1 for n in (height, width))
    need(rows > 0 and columns > 0, f"image of {height} x {width} pixels is less than its kernel")
    shape = (rows * columns, len(kernel))
    if (side, stride, padding, groups) == (1, 1, 0, 1):
        out = b.emit(
            Linear(b.fresh("linear", own=True), shape, source), weight=kernel.flatten(1), bias=bias
        )
    else:
        layer = Conv(
            b.fresh("conv", own=True), shape, source, height, width, side, stride, padding, groups
        )
        out = b.emit(layer, weight=kernel, bias=bias, pad=pad)
    return out.moved(out.index.T).shaped(1, -1, rows, columns)


@operator("convolution")
def convolution(
    b: Builder,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> View:
    need(not transposed, "transposed convolutions are not supported")
    return conv2d(b, x, weight, bias, stride, padding, dilation, groups)


def normalized(view: View, factor: Tensor, shift: Tensor) -> View:
    """An image of which every channel is to be ``factor * x + shift``, ``[channels]`` or one."""
    before, offset = view.affine or (torch.ones(1), torch.zeros(1))
    before, offset = before * view.scale, offset * view.scale
    affine = (factor * before, factor * offset + shift)
    return View(view.source, view.index, affine=affine)


@operator("batch_norm")
def batch_norm(
    b: Builder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value | None,
    variance: Value | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> View:
    need(not training, "the model is in training mode; call eval() before the export")
    view, middle, spread = computed(x, "operand"), known(mean, "mean"), known(variance, "variance")
    factor = torch.rsqrt(spread + eps) * (1.0 if weight is None else known(weight))
    shift = (0.0 if bias is None else known(bias)) - middle * factor
    if isinstance(b.layers[view.source], Input):
        return normalized(view, factor, shift)
    channels_last = view.moved(tokens(view.index.movedim(1, -1)))
    if not b.foldable(channels_last):
        raise Refused("batch norm must follow a convolution that nothing else reads")
    out = b.fold(channels_last, view.scale * factor, shift)
    return out.moved(view.index)


@operator("_native_batch_norm_legit_no_training")
def native_batch_norm(
    b: Builder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    momentum: float,
    eps: float,
) -> tuple[View, None, None]:
    return batch_norm(b, x, weight, bias, mean, variance, False, momentum, eps), None, None


@operator("mean")
def mean(
    b: Builder, x: Value, dim: Sequence[int] | None = None, keepdim: bool = False, **_: object
) -> View:
    view = computed(x, "operand")
    ndim = view.index.ndim
    axes = sorted(range(ndim) if dim is None else {axis % ndim for axis in dim})
    channels = [axis for axis in range(ndim) if axis not in axes and view.index.shape[axis] > 1]
    need(len(channels) == 1, "a mean must go over all pixels or tokens, not over channels")
    order = tokens(view.index.movedim(channels[0], -1))
    source = b.operand(view, order, "tokens")
    out = b.emit(Pool(b.fresh("pool"), (1, order.shape[1]), source))
    shape = [1 if axis in axes else n for axis, n in enumerate(view.index.shape)]
    kept = [n for axis, n in enumerate(shape) if keepdim or axis not in axes]
    return out.shaped(*kept)


@operator("adaptive_avg_pool2d")
def adaptive_average(b: Builder, x: Value, size: Sequence[int]) -> View:
    need(set(size) == {1}, f"average pooling must go over the whole image, not to {list(size)}")
    return mean(b, x, (-2, -1), keepdim=True)
