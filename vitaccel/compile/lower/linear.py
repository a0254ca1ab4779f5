"""Linear layers: weights stand still, tokens stream."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from golden.qnetwork import QLinear, QPatches
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import Buffer, View
from vitaccel.compile.layout import head_words
from vitaccel.compile.lower.state import Lowering, Post, Step
from vitaccel.compile.lower.waves import block_slot, feeds_attention, head_slots, wave_of
from vitaccel.compile.pieces import Stored, aligned

__all__ = ["linear"]

PARTS = 4  # of the weight buffer: one is used while the next ones are loaded
Blocks = Sequence[tuple[View, ...]]  # of rows: input, output, residual if there is one


class _Chunk(NamedTuple):
    """Tiles of weights that are loaded together, and the head they belong to."""

    first: int
    stop: int
    slot: float | None


class _Meeting(NamedTuple):
    """A chunk of weights and a block of rows."""

    chunk: _Chunk
    block: tuple[View, ...]
    slot: float | None


def linear(low: Lowering, layer: QLinear) -> None:
    """In chunks of tiles, so that others can be loaded meanwhile."""
    (x,) = low.stored[layer.x]
    channels = low.layouts[layer.name]
    packed, planes = _pack(low, layer, x.channels, channels)
    out = low.new(layer.name, layer.out, layer.residual)
    low.stored[layer.name] = [Stored(out, channels)]
    residual = () if layer.residual is None else (low.stored[layer.residual][0].pieces,)
    blocks = list(aligned(x.pieces, out, *residual))

    n_tiles, k_tiles, words, rows = packed.tiles.shape
    most = max(1, low.config.weight_words // PARTS // (k_tiles * words))
    fields, table = _post_fields(low, layer, packed), _table(low, layer)
    loaded, weights, post = None, None, None
    for chunk, (stream, result, *rest), slot in _meetings(
        low, layer, list(_chunks(low, layer, n_tiles, packed.tile_words, most)), blocks
    ):
        tiles = packed.tiles[chunk.first : chunk.stop]
        word = chunk.first * packed.tile_words
        span = min(len(tiles) * packed.tile_words, result.words - word)
        if weights is None or post is None or chunk != loaded:
            loaded = chunk
            weights = low.parameter(isa.Space.WEIGHT, layer.name, tiles.reshape(-1, rows))
            param = low.parameter(isa.Space.POST_PARAM, layer.name, planes[word : word + span])
            post = Post(fields, param, table)
        shape = {"k_tiles": k_tiles, "n_tiles": len(tiles), "columns": int(packed.columns)}
        gemm = low.gemm(layer, layer.x, stream, shape | {"source": int(isa.Stationary.WEIGHT)})
        gemm.places["stationary"] = View.whole(weights)
        gemm.reads += (View.whole(weights),)
        low.emit(Step(gemm, (weights,)), slot)
        target, *added = (
            replace(view, word=view.word + word, words=span) for view in (result, *rest)
        )
        low.emit_post(layer, replace(post, residual=added[0] if added else None), target, slot)


def _chunks(
    low: Lowering, layer: QLinear, n_tiles: int, tile_words: int, most: int
) -> Iterator[_Chunk]:
    """Tiles of a whole layer, or of head after head; equal ones: a short one hides little."""
    ends: list[tuple[int, float | None]] = [(n_tiles, None)]
    if feeds_attention(low, layer):
        slots, width = head_slots(low, layer), layer.out.shape[1]
        heads = [head_words(width, len(slots), h, low.config.rows) for h in slots]
        ends = [(-(-(at.first + at.words) // tile_words), slots[h]) for h, at in enumerate(heads)]
    for (start, _), (stop, slot) in pairwise([(0, None), *ends]):
        if stop > start:
            step = -(-(stop - start) // -(-(stop - start) // most))
            for first in range(start, stop, step):
                yield _Chunk(first, min(first + step, stop), slot)


def _meetings(
    low: Lowering, layer: QLinear, chunks: Sequence[_Chunk], blocks: Blocks
) -> Iterator[_Meeting]:
    """Chunks of weights and blocks of rows in the order in which they meet.

    Each chunk is loaded once and meets all blocks; but with rows apart, each block meets all
    chunks before the next. Image patches come no faster than the weights: there a block is done
    with while the next is loaded, and every other one takes the chunks backwards, beginning with
    the one that is there.
    """
    patches = isinstance(low.layers[layer.x], QPatches)
    if not patches and wave_of(low, layer) != "rows":
        yield from (_Meeting(chunk, block, chunk.slot) for chunk in chunks for block in blocks)
        return
    for n, block in enumerate(blocks):
        slot = block_slot(low, layer, n)
        order = reversed(chunks) if n % 2 and patches else chunks
        yield from (_Meeting(chunk, block, slot) for chunk in order)


def _pack(
    low: Lowering, layer: QLinear, inputs: np.ndarray, outputs: np.ndarray
) -> tuple[pack.Packed, np.ndarray]:
    """Weights and requantisation parameters in the layouts of input and output."""

    def per_channel(suffix: str) -> np.ndarray:
        return np.where(outputs >= 0, low.tensor(layer, suffix)[outputs], 0)

    weight = low.tensor(layer, "weight")
    weight = np.where(inputs >= 0, weight[:, inputs], 0)
    weight = np.where(outputs[:, None] >= 0, weight[outputs], 0)
    pot = per_channel("pot").astype(bool)
    packed = pack.pack_weights(weight, pot, low.config, layer.name)
    residual_mul = per_channel("residual_mul") if layer.residual else np.zeros_like(outputs)
    columns = pack.Channels(per_channel("bias"), per_channel("mul"), residual_mul, packed.select)
    return packed, pack.pack_post(columns, low.config, layer.name)


def _post_fields(low: Lowering, layer: QLinear, packed: pack.Packed) -> dict[str, int]:
    out = layer.out
    low_, high, zero = (-128, 127, 0) if layer.table else (out.low, out.high, out.zero_point)
    return {
        "tile_words": packed.tile_words,
        "pre_shift": layer.pre_shift,
        "post_shift": layer.post_shift,
        "zero_point": zero,
        "low": low_,
        "high": high,
        "wide": int(low.config.packed and packed.columns == isa.Columns.UNIFORM),
    }


def _table(low: Lowering, layer: QLinear) -> Buffer | None:
    if not layer.table:
        return None
    entries = np.roll(low.tensor(layer, "table"), 128)  # the hardware indexes by byte, not value
    return low.parameter(isa.Space.TABLE, layer.name, pack.pack_table(entries, 1, low.config))
