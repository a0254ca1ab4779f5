"""Depthwise convolutions on the engine of their own, beside the array."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from golden.qnetwork import QConv
from vitaccel import isa
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.lower import convolution
from vitaccel.compile.lower.homes import row_pixels
from vitaccel.compile.lower.overlap import on_engine, row_bands
from vitaccel.compile.lower.products import table_of
from vitaccel.compile.lower.state import Lowering, Step
from vitaccel.compile.pack_depthwise import pack_scaling, pack_taps
from vitaccel.compile.pieces import Stored, cut, joined
from vitaccel.errors import ConfigError
from vitaccel.windows import steps

__all__ = ["conv"]

MAX_SIDE = 4095  # pixels: 12 bits of an instruction


class _Band(NamedTuple):
    """Rows of pixels: those read, those of padding beside them, and the results."""

    first: int
    rows: int
    above: int
    below: int
    result: View


class _Parameters(NamedTuple):
    """Buffers of weights, requantisation and tables, where they lie, fields of all parts."""

    needs: tuple[Buffer, ...]
    places: dict[str, View]
    fields: dict[str, int]


def conv(low: Lowering, layer: QConv) -> None:
    """Lower a convolution to the depthwise engine if it takes it, else to the array.

    Band after band of rows, so that others can work on the bands before.

    Raises
    ------
    ConfigError
        If the engine lacks line buffers, bits of weights or room for the layer's parameters, or the
        array cannot take what is no engine's: says what it takes.
    """
    if not on_engine(layer, low.layers[layer.x], low.layouts, low.home, low.config):
        convolution.conv(low, layer)
        return
    (x,) = low.stored[layer.x]
    channels = low.layouts[layer.name]
    _check(low, layer)
    most = max(row_bands(layer, low.config)) * row_pixels(layer)
    out = Stored(low.new(layer.name, layer.out, most=most), channels)
    low.stored[layer.name] = [out]
    pad = convolution.pad_pixel(low, layer, channels)
    parameters = _parameters(low, layer, channels)
    overlap, images = low.overlaps.get(layer.name), len(low.images)
    n_words = pad.words
    each = overlap.words if overlap is not None else n_words
    pairs = list(zip(x.split(images), out.split(images), strict=True))
    for word in range(0, n_words, each):
        for image, (source, target) in enumerate(pairs):
            for n, band in enumerate(_bands(low, layer, target)):
                views = (_under(layer, source.whole, band), pad, band.result)
                part = [_words(view, word, min(each, n_words - word)) for view in views]
                step = _step(low, layer, parameters, band, part, word)
                slot = None if overlap is None else overlap.part(images, image, n, word)
                low.emit(step, slot)


def _under(layer: QConv, x: View, band: _Band) -> View:
    """Rows of pixels of an image that a band reads."""
    return replace(x, row=x.row + band.first * layer.width, rows=band.rows * layer.width)


def _words(view: View, first: int, words: int) -> View:
    return replace(view, word=view.word + first, words=words)


def _step(
    low: Lowering,
    layer: QConv,
    parameters: _Parameters,
    band: _Band,
    part: Sequence[View],
    first: int,
) -> Step:
    """Channel words from ``first`` on of a band: ``part`` is pixels, padding and results."""
    src, pad, dst = part
    each = steps(low.config, layer.kernel)
    places = parameters.places | {
        "src": src,
        "pad": pad,
        "dst": dst,
        "weights": _words(parameters.places["weights"], first * each, src.words * each),
        "param": _words(parameters.places["param"], first, src.words),
    }
    fields = parameters.fields | {
        "height": band.rows,
        "above": band.above,
        "below": band.below,
        "n_words": src.words,
        "src_stride": src.buffer.words,
        "dst_stride": dst.buffer.words,
    }
    reads = tuple(view for name, view in places.items() if name != "dst")
    made = Instruction(isa.Op.DEPTHWISE, layer.name, fields, places, reads=reads, writes=(dst,))
    return Step(made, parameters.needs)


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


def _parameters(low: Lowering, layer: QConv, channels: np.ndarray) -> _Parameters:
    """Make those of ``layer``."""

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
    return _Parameters(needs, places, fields)


def _bands(low: Lowering, layer: QConv, out: Stored) -> Iterator[_Band]:
    """Bands of results, each in one piece."""
    kernel, stride, padding = layer.kernel, layer.stride, layer.padding
    across, row = row_pixels(layer), 0
    for rows in row_bands(layer, low.config):
        (result,) = joined(cut(out.pieces, row * across, (row + rows) * across))
        first = row * stride - padding
        stop = first + (rows - 1) * stride + kernel
        above, below = max(0, -first), max(0, stop - layer.height)
        yield _Band(first + above, stop - below - first - above, above, below, result)
        row += rows
