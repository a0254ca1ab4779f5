"""Linear layers: weights stand still, tokens stream."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from golden.qnetwork import QLinear, QPatches
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import Buffer, View
from vitaccel.compile.lower.state import Lowering, Post, Step, Stored

__all__ = ["linear"]

PARTS = 4  # of the weight buffer: one is used while the next ones are loaded


def linear(low: Lowering, layer: QLinear) -> None:
    """In chunks of tiles, so that others can be loaded meanwhile."""
    (x,) = low.stored[layer.x]
    channels = low.layouts[layer.name]
    packed, planes = _pack(low, layer, x.channels, channels)
    out = low.new(layer.name, layer.out, len(channels) // low.config.rows)
    low.stored[layer.name] = [Stored(out, channels)]

    n_tiles, k_tiles, words, rows = packed.tiles.shape
    most = max(1, low.config.weight_words // PARTS // (k_tiles * words))
    chunk = -(-n_tiles // -(-n_tiles // most))  # equal ones: a short one hides little loading
    fields, table = _post_fields(low, layer, packed), _table(low, layer)
    blocks = list(zip(low.row_blocks(x.view), low.row_blocks(out), strict=True))
    loaded, weights, post = -1, None, None
    for first, (block, result) in _order(low, layer, range(0, n_tiles, chunk), blocks):
        tiles = packed.tiles[first : first + chunk]
        word = first * packed.tile_words
        span = min(len(tiles) * packed.tile_words, out.words - word)
        if weights is None or post is None or first != loaded:
            loaded = first
            weights = low.parameter(isa.Space.WEIGHT, layer.name, tiles.reshape(-1, rows))
            param = low.parameter(isa.Space.POST_PARAM, layer.name, planes[word : word + span])
            post = Post(fields, param, table)
        shape = {"k_tiles": k_tiles, "n_tiles": len(tiles), "columns": int(packed.columns)}
        gemm = low.gemm(layer, layer.x, block, shape | {"source": int(isa.Stationary.WEIGHT)})
        gemm.places["stationary"] = View.whole(weights)
        gemm.reads += (View.whole(weights),)
        low.emit(Step(gemm, (weights,)))
        target = View(result.buffer, result.row, result.rows, result.word + word, span)
        residual = _residual(low, layer, result.row - out.row, result.rows, word, span)
        low.emit_post(layer, replace(post, residual=residual), target)


def _order(
    low: Lowering, layer: QLinear, chunks: Sequence[int], blocks: Sequence[tuple[View, View]]
) -> Iterator[tuple[int, tuple[View, View]]]:
    """Chunks of weights and blocks of rows in the order in which they meet.

    Each chunk is loaded once and meets all blocks. Only image patches come no faster than the
    weights: there a block is done with while the next is loaded, and every other one takes the
    chunks backwards, beginning with the one that is there.
    """
    if not isinstance(low.layers[layer.x], QPatches):
        yield from ((chunk, block) for chunk in chunks for block in blocks)
        return
    for n, block in enumerate(blocks):
        yield from ((chunk, block) for chunk in (reversed(chunks) if n % 2 else chunks))


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


def _residual(
    low: Lowering, layer: QLinear, row: int, n_rows: int, word: int, words: int
) -> View | None:
    if layer.residual is None:
        return None
    source = low.stored[layer.residual][0].view
    return View(source.buffer, source.row + row, n_rows, source.word + word, words)
