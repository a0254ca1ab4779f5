"""Depthwise convolutions on the engine of their own, beside the array."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from golden.qnetwork import QConv
from vitaccel import isa
from vitaccel.compile.instruction import Instruction, View
from vitaccel.compile.lower import convolution
from vitaccel.compile.lower.homes import row_pixels
from vitaccel.compile.lower.products import table_of
from vitaccel.compile.lower.state import Lowering, Step
from vitaccel.compile.pack_depthwise import pack_scaling, pack_taps
from vitaccel.compile.pieces import Stored, joined
from vitaccel.errors import ConfigError
from vitaccel.windows import KERNELS, STRIDES

__all__ = ["conv"]

MAX_SIDE = 4095  # pixels: 12 bits of an instruction


class _Band(NamedTuple):
    """Rows of pixels: those read, those of padding beside them, and the results."""

    first: int
    rows: int
    above: int
    below: int
    result: View


def conv(low: Lowering, layer: QConv) -> None:
    """Lower a convolution to the depthwise engine if it takes it, else to the array.

    Band after band of rows, so that others can work on the bands before.

    Raises
    ------
    ConfigError
        If the engine lacks line buffers, bits of weights or room for the layer's parameters, or the
        array cannot take what is no engine's: says what it takes.
    """
    if not _on_engine(low, layer):
        convolution.conv(low, layer)
        return
    (x,) = low.stored[layer.x]
    channels = low.layouts[layer.name]
    _check(low, layer)
    out = Stored(low.new(layer.name, layer.out), channels)
    if any(piece.rows % row_pixels(layer) for piece in joined(out.pieces)):
        convolution.conv(low, layer)  # part of something that is cut within rows of pixels
        return
    low.stored[layer.name] = [out]
    pad = convolution.pad_pixel(low, layer, channels)
    needs, places, fields = _parameters(low, layer, channels)
    images = len(low.images)
    for source, target in zip(x.split(images), out.split(images), strict=True):
        for band in _bands(low, layer, target):
            src = replace(
                source.whole,
                row=source.whole.row + band.first * layer.width,
                rows=band.rows * layer.width,
            )
            shape = {"height": band.rows, "above": band.above, "below": band.below}
            strides = {"src_stride": src.buffer.words, "dst_stride": band.result.buffer.words}
            instruction = Instruction(
                isa.Op.DEPTHWISE,
                layer.name,
                fields | shape | strides,
                places | {"src": src, "pad": pad, "dst": band.result},
                reads=(src, pad, *(View.whole(buffer) for buffer in needs)),
                writes=(band.result,),
            )
            low.emit(Step(instruction, needs))


def _on_engine(low: Lowering, layer: QConv) -> bool:
    """Whether the engine has what the convolution needs, but for its size."""
    x = low.stored[layer.x][0].channels
    return (
        low.config.depthwise_taps > 0
        and layer.groups == layer.out.shape[1] == low.layers[layer.x].out.shape[1]
        and layer.kernel in KERNELS
        and layer.stride in STRIDES
        and layer.residual is None
        and np.array_equal(x, low.layouts[layer.name])
    )


def _check(low: Lowering, layer: QConv) -> None:
    config, width = low.config, layer.width + 2 * layer.padding
    if width > config.depthwise_width or max(layer.height, layer.width) > MAX_SIDE:
        raise ConfigError(
            f"layer {layer.name} has rows of {width} pixels with their padding, but "
            f"depthwise_width is {config.depthwise_width}; set it to {width}"
        )
    weight = low.tensor(layer, "weight")
    bits = 1 + max(int(weight.max()).bit_length(), int(-1 - weight.min()).bit_length(), 0)
    if bits > config.depthwise_bits:
        raise ConfigError(
            f"layer {layer.name} has weights of {bits} bits, but depthwise_bits is "
            f"{config.depthwise_bits}; set it to 8 or quantise to fewer bits"
        )


def _parameters(low: Lowering, layer: QConv, channels: np.ndarray) -> tuple:
    """Buffers of weights, parameters and tables; their places; fields common to all bands."""

    def per_channel(suffix: str) -> np.ndarray:
        return np.where(channels >= 0, low.tensor(layer, suffix)[channels], 0)

    weight = low.tensor(layer, "weight")[:, 0]
    weight = np.where(channels[:, None, None] >= 0, weight[channels], 0)
    slot = per_channel("slot") if layer.slots > 1 else np.zeros_like(channels)
    scaling = pack_scaling(per_channel("bias"), per_channel("mul"), slot, low.config, layer.name)
    taps = pack_taps(weight, layer.stride, low.config)
    weights = low.parameter(isa.Space.DEPTHWISE_WEIGHT, layer.name, taps)
    param = low.parameter(isa.Space.DEPTHWISE_PARAM, layer.name, scaling)
    needs, places = (weights, param), {"weights": View.whole(weights), "param": View.whole(param)}
    out = layer.out
    fields = {
        "width": layer.width,
        "side": layer.padding,
        "n_words": len(channels) // low.config.rows,
        "kernel": layer.kernel,
        "stride": layer.stride,
        "unsigned": int(not low.layers[layer.x].out.signed),
        "pre_shift": layer.pre_shift,
        "post_shift": layer.post_shift,
        "zero_point": 0 if layer.table else out.zero_point,
        "low": -128 if layer.table else out.low,
        "high": 127 if layer.table else out.high,
        "use_table": int(layer.table),
    }
    if layer.table:
        table = table_of(low, layer, by_channel=True)
        needs, places = (*needs, table), places | {"table": View.whole(table)}
    return needs, places, fields


def _bands(low: Lowering, layer: QConv, out: Stored) -> Iterator[_Band]:
    """Results in bands of about as many pixels as the accumulators hold rows."""
    kernel, stride, padding = layer.kernel, layer.stride, layer.padding
    across = row_pixels(layer)
    most = max(1, low.config.accumulator_rows // across)
    done = 0
    for piece in joined(out.pieces):
        for row in range(0, piece.rows // across, most):
            rows = min(most, piece.rows // across - row)
            first = (done + row) * stride - padding
            stop = first + (rows - 1) * stride + kernel
            above, below = max(0, -first), max(0, stop - layer.height)
            result = replace(piece, row=piece.row + row * across, rows=rows * across)
            yield _Band(first + above, stop - below - first - above, above, below, result)
        done += piece.rows // across
