"""Convolutions: taps are slices of k, whose words the streamer walks; nothing is copied."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from golden.qnetwork import QConv
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.lower.homes import is_walk, row_pixels
from vitaccel.compile.lower.linear import PARTS
from vitaccel.compile.lower.operands import constant
from vitaccel.compile.lower.products import pack_product, post_fields, table_of
from vitaccel.compile.lower.state import Lowering, Post, Step
from vitaccel.compile.pieces import Stored, aligned, runs
from vitaccel.errors import ConfigError

__all__ = ["conv", "pad_pixel"]

MAX_SIDE = 511  # pixels: 9 bits of an instruction


class _Part(NamedTuple):
    """Output words from ``word`` on, and the words of a pixel that they depend on."""

    packed: pack.Packed
    planes: np.ndarray
    word: int
    first: int
    words: int


class _Job(NamedTuple):
    """Rows of one image, from ``start`` on: input if they are its rows too, output, residual."""

    image: Stored
    start: int
    views: tuple[View, ...]


def conv(low: Lowering, layer: QConv) -> None:
    """Lower a convolution, grouped or not, part by part of its output words.

    Raises
    ------
    ConfigError
        If the gateware does not walk images, or the image is too large for the instruction.
    """
    _check(low, layer)
    (x,) = low.stored[layer.x]
    lanes = low.layouts[layer.name]
    out = Stored(low.new(layer.name, layer.out, layer.residual), lanes)
    low.stored[layer.name] = [out]
    pad = pad_pixel(low, layer, x.channels) if layer.padding else None
    table = table_of(low, layer) if layer.table else None
    jobs = list(_jobs(low, layer, x, out))
    for part in _parts(low, layer, x.channels, lanes):
        _emit_part(low, layer, part, jobs, pad, table)


def _check(low: Lowering, layer: QConv) -> None:
    if is_walk(layer) and not low.config.hybrid:
        raise ConfigError(
            f"layer {layer.name} is a {layer.kernel} x {layer.kernel} convolution, which needs "
            "hybrid = true; set it"
        )
    side = max(layer.height, layer.width, row_pixels(layer))
    if is_walk(layer) and side > MAX_SIDE:
        raise ConfigError(
            f"layer {layer.name} walks an image of {layer.height} x {layer.width} pixels, but the "
            f"instruction holds up to {MAX_SIDE} a side; use smaller images"
        )


def pad_pixel(low: Lowering, layer: QConv, inputs: np.ndarray) -> View:
    """The pixel beyond the edges."""
    values = np.where(inputs >= 0, low.tensor(layer, "pad")[inputs], 0) & 255
    return constant(
        low, f"{layer.name}.pad", values.astype(np.uint8).reshape(1, -1, low.config.rows)
    )


def _parts(low: Lowering, layer: QConv, inputs: np.ndarray, outputs: np.ndarray) -> Iterator[_Part]:
    """All output words at once, or of groups as many as fill the columns that take them.

    More would read more words for the same columns: filters of groups are uniform.
    """
    config, rows = low.config, low.config.rows
    n_in, n_out = int(inputs.max()) + 1, int(outputs.max()) + 1
    each_in, each_out = n_in // layer.groups, n_out // layer.groups
    narrow = layer.weight_bits <= config.weight_bits
    columns = config.uniform_groups if narrow else config.wide_groups
    step = len(outputs) if layer.groups == 1 else columns * rows
    for lane in range(0, len(outputs), step):
        own = outputs[lane : lane + step]
        groups = own[own >= 0] // each_out
        read = np.flatnonzero(
            (inputs >= groups.min() * each_in) & (inputs < (groups.max() + 1) * each_in)
        )
        first, stop = int(read[0]) // rows, int(read[-1]) // rows + 1
        key = f"{layer.name} {lane}"
        if key not in low.packs:
            weight = _weight(low, layer, inputs[first * rows : stop * rows], own)
            low.packs[key] = pack_product(low, layer, weight, own)
        yield _Part(*low.packs[key], lane // rows, first, stop - first)


def _weight(low: Lowering, layer: QConv, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Weights ``[output lanes, taps * input lanes]``, 0 between groups."""
    weight = low.tensor(layer, "weight")  # [out, in / groups, kernel, kernel]
    n_out, each_in = weight.shape[:2]
    group = outputs // (n_out // layer.groups)
    channel = inputs[None, :] - group[:, None] * each_in  # within the group
    found = (channel >= 0) & (channel < each_in) & (inputs >= 0) & (outputs >= 0)[:, None]
    picked = weight[outputs[:, None], np.where(found, channel, 0)]  # [lanes, lanes, k, k]
    picked = np.where(found[:, :, None, None], picked, 0)
    return picked.transpose(0, 2, 3, 1).reshape(len(outputs), -1)


def _jobs(low: Lowering, layer: QConv, x: Stored, out: Stored) -> Iterator[_Job]:
    """Blocks of results that one instruction makes: within a row of pixels, or of whole ones."""
    tensors = [out]
    if layer.residual is not None:
        tensors.append(low.stored[layer.residual][0])
    if not is_walk(layer):
        tensors.insert(0, x)
    images, width = len(low.images) if is_walk(layer) else 1, row_pixels(layer)
    for image in range(images):
        start = 0
        for views in aligned(*(tensor.split(images)[image].pieces for tensor in tensors)):
            for first, rows in runs(start, views[0].rows, width if is_walk(layer) else 1):
                cut = tuple(replace(v, row=v.row + first - start, rows=rows) for v in views)
                yield _Job(x.split(images)[image], first, cut)
            start += views[0].rows


def _emit_part(
    low: Lowering,
    layer: QConv,
    part: _Part,
    jobs: Sequence[_Job],
    pad: View | None,
    table: Buffer | None,
) -> None:
    """In chunks of tiles that are loaded together; each meets all rows."""
    packed = part.packed
    n_tiles, k_tiles, words, rows = packed.tiles.shape
    most = max(1, low.config.weight_words // PARTS // (k_tiles * words))
    fields = post_fields(low, layer, packed)
    for tile in range(0, n_tiles, most):
        tiles = packed.tiles[tile : tile + most]
        word = tile * packed.tile_words
        span = min(len(tiles) * packed.tile_words, len(part.planes) - word)
        weights = low.parameter(isa.Space.WEIGHT, layer.name, tiles.reshape(-1, rows))
        planes = part.planes[word : word + span]
        post = Post(fields, low.parameter(isa.Space.POST_PARAM, layer.name, planes), table)
        shape = {"k_tiles": k_tiles, "n_tiles": len(tiles), "columns": int(packed.columns)}
        for job in jobs:
            gemm = _gemm(low, layer, part, job, pad)
            gemm.fields |= shape | {"source": int(isa.Stationary.WEIGHT)}
            gemm.places["stationary"] = View.whole(weights)
            gemm.reads += (View.whole(weights),)
            low.emit(Step(gemm, (weights,)))
            target, *added = (
                replace(view, word=view.word + part.word + word, words=span)
                for view in job.views[not is_walk(layer) :]
            )
            low.emit_post(layer.name, replace(post, residual=added[0] if added else None), target)


def _gemm(low: Lowering, layer: QConv, part: _Part, job: _Job, pad: View | None) -> Instruction:
    """Stream the pixels under the filters, or rows as they are."""
    if not is_walk(layer):
        view = replace(job.views[0], word=part.first, words=part.words)
        return low.gemm(layer, layer.x, view, {})
    whole = replace(job.image.whole, word=part.first, words=part.words)
    y, x = divmod(job.start, row_pixels(layer))
    row, column = layer.stride * y - layer.padding, layer.stride * x - layer.padding
    width = whole.buffer.words
    gemm = low.gemm(
        layer,
        layer.x,
        whole,
        {
            "n_rows": job.views[0].rows,
            "stream_stride": layer.stride * width,
            "kernel": layer.kernel,
            "tap_words": part.words,
            "image_stride": layer.width * width,
            "row_pixels": row_pixels(layer),
            "first_row": row,
            "first_column": column,
            "height": layer.height,
            "width": layer.width,
            "step": layer.stride - 1,
        },
    )
    gemm.places["stream"] = replace(whole, row=whole.row + row * layer.width + column, rows=1)
    if pad is not None:
        gemm.places["pad"] = replace(pad, word=part.first, words=part.words)
        gemm.reads += (gemm.places["pad"],)
    return gemm
