"""Linear layers: weights stand still, tokens stream."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from golden.qnetwork import QLinear, QMatMul, QPatches
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import View
from vitaccel.compile.lower.overlap import Overlap
from vitaccel.compile.lower.products import pack_product, post_fields, table_of
from vitaccel.compile.lower.state import Lowering, Post, Step
from vitaccel.compile.lower.waves import ends_mlp, feeds_attention, head_slots, n_parts, wave_of
from vitaccel.compile.pieces import Stored, aligned, halves

__all__ = ["linear"]

PARTS = 4  # of the weight buffer: one is used while the next ones are loaded
Blocks = Sequence[tuple[View, ...]]  # of rows: input, output, residual if there is one


class _Chunk(NamedTuple):
    """Tiles of weights that are loaded together, and the part of the result that they make."""

    first: int
    stop: int
    part: int
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
    if layer.name not in low.packs:
        low.packs[layer.name] = pack_product(
            low, layer, _weight(low, layer, x.channels, channels), channels
        )
    packed, planes = low.packs[layer.name]
    low.stored[layer.name] = parts = _room(low, layer, channels)
    residual = () if layer.residual is None else (low.stored[layer.residual][0].pieces,)
    blocks = [list(aligned(x.pieces, part.pieces, *residual)) for part in parts]

    k_tiles, rows = packed.tiles.shape[1], low.config.rows
    most = _most_tiles(low, layer, packed)
    fields, table = post_fields(low, layer, packed), table_of(low, layer) if layer.table else None
    loaded, weights, post = None, None, None
    chunks = list(_chunks(low, layer, parts, packed, most))
    for chunk, (stream, result, *rest), slot in _meetings(low, layer, chunks, blocks):
        tiles = packed.tiles[chunk.first : chunk.stop]
        word = chunk.first * packed.tile_words
        before = word - chunk.part * result.words  # in its part
        span = min(len(tiles) * packed.tile_words, result.words - before)
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
            replace(view, word=view.word + before, words=span) for view in (result, *rest)
        )
        low.emit_post(layer.name, replace(post, residual=added[0] if added else None), target, slot)


def _most_tiles(low: Lowering, layer: QLinear, packed: pack.Packed) -> int:
    """Tiles of weights that are loaded together, and come before a part of what overlaps them."""
    _, k_tiles, words, _ = packed.tiles.shape
    most = max(1, low.config.weight_words // PARTS // (k_tiles * words))
    overlap = low.overlaps.get(layer.name)
    if overlap is None or not overlap.by_words:
        return most
    return min(most, max(1, overlap.words // packed.tile_words))


def _weight(low: Lowering, layer: QLinear, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Weights ``[output lanes, input lanes]``."""
    weight = low.tensor(layer, "weight")
    weight = np.where(inputs >= 0, weight[:, inputs], 0)
    return np.where(outputs[:, None] >= 0, weight[outputs], 0)


def _room(low: Lowering, layer: QLinear, channels: np.ndarray) -> list[Stored]:
    """One tensor, or parts of Q, K or V.

    Parts of K and V stand for themselves, those of Q lie side by side; where the next part of Q
    will be, the present one of K waits for its product with Q.
    """
    if not feeds_attention(low, layer):
        return [Stored(low.new(layer.name, layer.out, layer.residual), channels)]
    n_rows, parts = layer.out.shape[0], np.split(channels, n_parts(low, layer))
    words = len(parts[0]) // low.config.rows
    product = low.users[layer.name][0]
    assert isinstance(product, QMatMul)
    if product.b != layer.name:
        whole = low.standing_rows(layer.name, n_rows, len(parts) * words)
        places = [_words(whole, n * words, words) for n in range(len(parts))]
    else:
        places = [low.rows(layer.name, n_rows, words) for _ in parts]
        queries = low.stored[product.a] if product.transpose_b and product.a in low.stored else ()
        if len(queries) == len(parts):
            places[:-1] = [part.pieces for part in queries[1:]]
    return [Stored(place, part) for place, part in zip(places, parts, strict=True)]


def _words(views: Sequence[View], first: int, words: int) -> tuple[View, ...]:
    return tuple(replace(view, word=first, words=words) for view in views)


def _chunks(
    low: Lowering, layer: QLinear, parts: Sequence[Stored], packed: pack.Packed, most: int
) -> Iterator[_Chunk]:
    """Tiles of part after part; equal ones: a short one hides little loading."""
    slots: Sequence[float | None] = [None]
    if len(parts) > 1:
        by_head = head_slots(low, layer)
        slots = [by_head[part * len(by_head) // len(parts)][0] for part in range(len(parts))]
    ends = [0, *accumulate(len(part.channels) // low.config.rows for part in parts)]
    tiles = [-(-end // packed.tile_words) for end in ends]
    for part, (start, stop) in enumerate(pairwise(tiles)):
        step = -(-(stop - start) // -(-(stop - start) // most))
        for first in range(start, stop, step):
            yield _Chunk(first, min(first + step, stop), part, slots[part])


def _meetings(
    low: Lowering, layer: QLinear, chunks: Sequence[_Chunk], blocks: Sequence[Blocks]
) -> Iterator[_Meeting]:
    """Chunks of weights and blocks of rows in the order in which they meet.

    Each chunk is loaded once and meets all blocks; but with rows apart, one half of the
    blocks meets all chunks before the other. Image patches come no faster than the weights: there
    a block is done with while the next is loaded, and every other one takes the chunks backwards,
    beginning with the one that is there. Around a depthwise convolution see `Overlap`.
    """
    patches = isinstance(low.layers[layer.x], QPatches)
    if (overlap := low.overlaps.get(layer.name)) is not None:
        starts = [0, *accumulate(first.rows for first, *_ in blocks[0])]
        for chunk in chunks:
            word = chunk.first * low.packs[layer.name][0].tile_words
            for start, block in zip(starts, blocks[0], strict=False):
                slot = _slot(low, layer, overlap, start, block[0].rows, word)
                yield _Meeting(chunk, block, slot)
    elif patches:
        for n, block in enumerate(blocks[0]):
            yield from (
                _Meeting(chunk, block, None) for chunk in (reversed(chunks) if n % 2 else chunks)
            )
    elif (wave := wave_of(low, layer)) in ("rows", "sums"):
        made = low.stored[layer.name][0].pieces
        whole = low.stored[layer.x][0].pieces if ends_mlp(low, layer) else made
        half = halves(whole, blocks[0])
        for slot in (0, 1):
            of_slot = slot if wave == "rows" else 1 - slot
            some = [block for block, n in zip(blocks[0], half, strict=True) if n == of_slot]
            yield from (_Meeting(chunk, block, slot) for chunk in chunks for block in some)
    else:
        for chunk in chunks:
            yield from (_Meeting(chunk, block, chunk.slot) for block in blocks[chunk.part])


def _slot(
    low: Lowering, layer: QLinear, overlap: Overlap, start: int, rows: int, word: int
) -> float:
    """Of ``rows`` rows from ``start`` on, channel words from ``word`` on."""
    image, row = divmod(start, layer.out.shape[0])
    if overlap.layer.x == layer.name:
        return overlap.before(len(low.images), image, row, word)
    return overlap.after(len(low.images), image, row + rows - 1)
