"""Products of two activations, head by head: Q·Kᵀ and P·V."""

import numpy as np

from golden.qnetwork import QLayer, QMatMul
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import Buffer, View
from vitaccel.compile.layout import plain_layout
from vitaccel.compile.lower.state import Lowering, Post, Step, Stored
from vitaccel.errors import ConfigError

__all__ = ["matmul"]


def matmul(low: Lowering, layer: QMatMul) -> None:
    """Lower one of the two products of attention."""
    _check_stationary(low, layer)
    if layer.transpose_b:
        _scores(low, layer)
    else:
        _context(low, layer)


def _check_stationary(low: Lowering, layer: QMatMul) -> None:
    config, out = low.config, low.layers[layer.b].out
    bits = 8 if config.packed else max(config.weight_bits, config.activation_bits)
    if out.bits > bits or not out.signed:
        kind = "signed" if out.signed else "unsigned"
        raise ConfigError(
            f"layer {layer.name} holds {layer.b} ({out.bits} bits, {kind}) in the array, which "
            f"takes {bits} bits signed; raise activation_bits"
        )


def _columns(low: Lowering, log2: bool) -> tuple[isa.Columns, list[int]]:
    """Columns for an 8-bit stationary operand, and the groups its output words come from."""
    config = low.config
    if log2:
        return isa.Columns.POT, [config.uniform_groups + g for g in range(config.pot_groups)]
    step = 2 if config.packed else 1
    return isa.Columns.UNIFORM, [step * g for g in range(config.wide_groups)]


def _post(low: Lowering, layer: QMatMul, n_words: int, groups: list[int], wide: bool) -> Post:
    """One scale for all; output words cycle through ``groups``."""
    rows, n = low.config.rows, n_words * low.config.rows
    select = np.repeat([groups[word % len(groups)] for word in range(n_words)], rows)
    zero = np.zeros(n, dtype=np.int64)
    columns = pack.Channels(zero, np.full(n, layer.mul), zero, select.reshape(-1, rows))
    param: Buffer = low.parameter(
        isa.Space.POST_PARAM, layer.name, pack.pack_post(columns, low.config, layer.name)
    )
    fields = {
        "tile_words": len(groups),
        "pre_shift": layer.pre_shift,
        "post_shift": layer.post_shift,
        "zero_point": layer.out.zero_point,
        "low": layer.out.low,
        "high": layer.out.high,
        "wide": int(wide),
    }
    return Post(fields, param)


def _scores(low: Lowering, layer: QMatMul) -> None:
    (q,), (k,) = low.stored[layer.a], low.stored[layer.b]
    rows, tokens = low.config.rows, layer.out.shape[2]
    columns, groups = _columns(low, log2=False)
    span = len(groups) * rows
    n_words, words = -(-tokens // rows), q.view.words // layer.heads
    post = _post(low, layer, n_words, groups, low.config.packed)
    shape = {
        "k_tiles": words,
        "n_tiles": -(-tokens // span),
        "source": int(isa.Stationary.ROWS),
        "columns": int(columns),
        "stationary_stride": k.view.buffer.words,
        "tile_stride": span * k.view.buffer.words,
    }
    low.stored[layer.name] = []
    for head in range(layer.heads):
        out = View(low.buffer(layer.name, q.view.rows, n_words), 0, q.view.rows, 0, n_words)
        low.stored[layer.name].append(Stored(out, plain_layout(tokens, rows)))
        keys = _head(k.view, head, words, -(-tokens // span) * span)
        stream = _head(q.view, head, words, q.view.rows)
        _emit(low, layer, shape, post, (stream, keys, out), head)


def _context(low: Lowering, layer: QMatMul) -> None:
    (v,) = low.stored[layer.b]
    log2 = low.layers[layer.a].out.format == "log2"
    need_log2(low, layer, log2)
    columns, groups = _columns(low, log2)
    channels = low.layouts[layer.name]
    words = len(channels) // low.config.rows // layer.heads
    post = _post(low, layer, words, groups, low.config.packed and not log2)
    out = low.new(layer.name, layer.out, words * layer.heads)
    low.stored[layer.name] = [Stored(out, channels)]
    for head, p in enumerate(low.stored[layer.a]):
        shape = {
            "k_tiles": p.view.words,
            "n_tiles": -(-words // len(groups)),
            "source": int(isa.Stationary.TRANSPOSED),
            "columns": int(columns),
            "stationary_stride": v.view.buffer.words,
            "tile_stride": len(groups),
        }
        values = _head(v.view, head, words, p.view.words * low.config.rows)
        part = _head(out, head, words, out.rows)
        _emit(low, layer, shape, post, (p.view, values, part), head)


def need_log2(low: Lowering, layer: QLayer, log2: bool) -> None:
    """Refuse log2 probabilities where the gateware has no use for them."""
    if log2 and not low.config.log2_attention:
        raise ConfigError(
            f"layer {layer.name} takes log2 probabilities, which needs log2_attention = true; "
            "set it, or quantise with table softmax"
        )


def _head(view: View, head: int, words: int, n_rows: int) -> View:
    """Words of one head; rows past the buffer are read too, and multiplied by nothing."""
    n_rows = min(n_rows, view.buffer.rows - view.row)
    return View(view.buffer, view.row, n_rows, view.word + head * words, words)


def _emit(
    low: Lowering,
    layer: QMatMul,
    shape: dict[str, int],
    post: Post,
    views: tuple[View, View, View],
    head: int,
) -> None:
    stream, stationary, out = views
    slot = low.slot(layer, head)
    for block, target in zip(low.row_blocks(stream), low.row_blocks(out), strict=True):
        gemm = low.gemm(layer, layer.a, block, shape)
        gemm.places["stationary"] = stationary
        gemm.reads += (stationary,)
        low.emit(Step(gemm), slot)
        low.emit_post(layer, post, target, slot)
