"""Products of two activations, head by head: Q·Kᵀ and P·V."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from golden.execute import matmul_bound
from golden.qnetwork import QLayer, QMatMul, QSoftmax
from vitaccel import isa
from vitaccel.compile.instruction import View
from vitaccel.compile.layout import HeadWords, head_words, plain_layout
from vitaccel.compile.lower.serial import check_heads
from vitaccel.compile.lower.state import Lowering, Post
from vitaccel.compile.lower.stationary import (
    Columns,
    check_stationary,
    emit_product,
    int8_columns,
    post_of,
)
from vitaccel.compile.lower.waves import head_slots
from vitaccel.compile.pieces import Stored, aligned, joined
from vitaccel.errors import ConfigError

__all__ = ["matmul", "need_log2"]


def matmul(low: Lowering, layer: QMatMul) -> None:
    """Lower one of the two products of attention."""
    check_stationary(low, layer, layer.b)
    check_heads(layer.name, low.layers[layer.b].out.shape[1] // layer.heads, low.config)
    low.check_sums(layer, matmul_bound(layer, low.layers[layer.a].out, low.layers[layer.b].out))
    if layer.transpose_b:
        _scores(low, layer)
    else:
        _context(low, layer)


def _columns(low: Lowering, layer: QMatMul, log2: bool) -> Columns:
    config = low.config
    if log2:
        pot = range(config.uniform_groups, config.groups)
        return Columns(isa.Columns.POT, tuple(pot))
    if config.packed and low.layers[layer.b].out.bits <= 4:
        return Columns(isa.Columns.PACKED, tuple(range(config.uniform_groups)))
    return int8_columns(config)


def _post(low: Lowering, layer: QMatMul, n_words: int, columns: Columns) -> Post:
    """One scale for all."""
    mul = np.full(n_words * low.config.rows, layer.mul)
    shifts = {"pre_shift": layer.pre_shift, "post_shift": layer.post_shift}
    return post_of(low, layer.name, layer.out, columns, mul, shifts)


def _scores(low: Lowering, layer: QMatMul) -> None:
    rows, (heads, n_queries, n_keys) = low.config.rows, layer.out.shape
    columns, slots = _columns(low, layer, log2=False), head_slots(low, layer)
    n_words, span = -(-n_keys // rows), len(columns.groups) * rows
    post = _post(low, layer, n_words, columns)
    # Small blocks leave small holes where memory is scarce.
    most = low.config.accumulator_rows * 2 // 3 if low.strategy.heads_apart else None
    low.stored[layer.name] = []
    for head in range(heads):
        (q, streamed), (k, at) = (_part(low, name, head, heads) for name in (layer.a, layer.b))
        made = low.rows(layer.name, n_queries, n_words, most)
        out = Stored(made, plain_layout(n_keys, rows))
        low.stored[layer.name].append(out)
        fields = {
            "k_tiles": at.words,
            "n_tiles": -(-n_keys // span),
            "source": int(isa.Stationary.ROWS),
            "columns": int(columns.columns),
            "stationary_stride": k.pieces[0].buffer.words,
            "tile_stride": span * k.pieces[0].buffer.words,
            "lanes_before": at.lanes_before,
            "lanes_after": at.lanes_after,
        }
        for slot, (queries, keys, scores) in _images(slots[head], q, k, out):
            standing = _words(keys.whole, at.first, at.words)
            for stream, target in aligned(joined(queries.pieces), scores.pieces):
                part = _words(stream, streamed.first, at.words)
                gemm = low.gemm(layer, layer.a, part, fields)
                emit_product(low, gemm, standing, post, target, slot)


def _images(slots: Sequence[float], *tensors: Stored) -> Iterator[tuple[float, list[Stored]]]:
    """Slot of each image, and its part of some tensors."""
    for image, slot in enumerate(slots):
        yield slot, [tensor.split(len(slots))[image] for tensor in tensors]


def _part(low: Lowering, name: str, head: int, heads: int) -> tuple[Stored, HeadWords]:
    """Part of Q, K or V that holds a head, and where in its rows."""
    parts = low.stored[name]
    held = heads // len(parts)
    width = low.layers[name].out.shape[1] // len(parts)
    return parts[head // held], head_words(width, held, head % held, low.config.rows)


def _context(low: Lowering, layer: QMatMul) -> None:
    log2 = low.layers[layer.a].out.format == "log2"
    need_log2(low, layer, log2)
    columns, slots = _columns(low, layer, log2), head_slots(low, layer)
    places = [_part(low, layer.b, head, layer.heads) for head in range(layer.heads)]
    post = _post(low, layer, max(at.words for _, at in places), columns)
    out = Stored(low.new(layer.name, layer.out, _query(low, layer)), low.layouts[layer.name])
    low.stored[layer.name] = [out]
    for head, (p, (v, at)) in enumerate(zip(low.stored[layer.a], places, strict=True)):
        first = head_words(layer.out.shape[1], layer.heads, head, low.config.rows).first
        masks = {"lanes_before": at.lanes_before, "lanes_after": at.lanes_after}
        masked = replace(post, fields=post.fields | masks)
        fields = {
            "k_tiles": p.pieces[0].words,
            "n_tiles": -(-at.words // len(columns.groups)),
            "source": int(isa.Stationary.TRANSPOSED),
            "columns": int(columns.columns),
            "stationary_stride": v.pieces[0].buffer.words,
            "tile_stride": len(columns.groups),
        }
        for slot, (probabilities, values, mixed) in _images(slots[head], p, v, out):
            standing = _words(values.whole, at.first, at.words)
            for stream, target in aligned(probabilities.pieces, joined(mixed.pieces)):
                gemm = low.gemm(layer, layer.a, stream, fields)
                emit_product(low, gemm, standing, masked, _words(target, first, at.words), slot)


def _query(low: Lowering, layer: QMatMul) -> str | None:
    """Q, if nothing but its product with K reads it: each head makes room for its result."""
    softmax = low.layers[layer.a]
    scores = low.layers[softmax.x] if isinstance(softmax, QSoftmax) else None
    alone = isinstance(scores, QMatMul) and low.users[scores.a] == [scores]
    return scores.a if alone and isinstance(scores, QMatMul) else None


def need_log2(low: Lowering, layer: QLayer, log2: bool) -> None:
    """Refuse log2 probabilities where the gateware has no use for them."""
    if log2 and not low.config.log2_attention:
        raise ConfigError(
            f"layer {layer.name} takes log2 probabilities, which needs log2_attention = true; "
            "set it, or quantise with table softmax"
        )


def _words(view: View, first: int, words: int) -> View:
    return replace(view, word=view.word + first, words=words)
