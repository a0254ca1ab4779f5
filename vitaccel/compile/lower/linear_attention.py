"""Linear attention and means: products over tokens, one operand transposed by the array itself."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from golden.bounds import magnitude, quotient_bound, relu_magnitude
from golden.qnetwork import QDivisor, QKeySum, QKeyValue, QLayer, QPool, QQuotient, QTensor
from vitaccel import isa
from vitaccel.compile.instruction import View
from vitaccel.compile.lower.operands import constant, identity, ones, stream
from vitaccel.compile.lower.products import tables_of
from vitaccel.compile.lower.state import Lowering, Post
from vitaccel.compile.lower.stationary import (
    check_stationary,
    emit_product,
    int8_columns,
    post_of,
)
from vitaccel.compile.pieces import Stored, aligned, in_blocks
from vitaccel.errors import ConfigError

__all__ = ["divisor", "key_sum", "key_value", "pool", "quotient"]


def key_value(low: Lowering, layer: QKeyValue) -> None:
    """Head by head: rows of v, transposed, meet k, which is transposed as it is loaded."""
    words = _head_words(low, layer, layer.heads, layer.k)
    for operand in (layer.k, layer.v):
        check_stationary(low, layer, operand)
    k, v = (low.layers[name].out for name in (layer.k, layer.v))
    low.check_sums(layer, k.shape[0] * relu_magnitude(k) * magnitude(v))
    out = _made(low, layer)
    columns = int8_columns(low.config)
    post = _post(low, layer, layer.mul, words, layer.pre_shift, layer.post_shift)
    eye = constant(low, "identity", identity(low.config.rows))
    dim = layer.out.shape[0]
    for values, keys, result in _images(low, low.stored[layer.v][0], low.stored[layer.k][0], out):
        turned = _transposed(low, layer, values.whole, eye)
        for head in range(layer.heads):
            standing = _words(keys.whole, head * words, words)
            fields = {
                "n_tiles": -(-words // len(columns.groups)),
                "source": int(isa.Stationary.TRANSPOSED),
                "columns": int(columns.columns),
                "stationary_stride": keys.whole.buffer.words,
                "tile_stride": len(columns.groups),
                "relu_stationary": 1,
            }
            rows = replace(turned, row=head * dim, rows=dim)
            for part, target in aligned((rows,), result.pieces):
                gemm = stream(layer.name, part, fields)
                emit_product(low, gemm, standing, post, _words(target, head * words, words))


def _transposed(low: Lowering, layer: QLayer, x: View, eye: View) -> View:
    """``[channels][tokens]`` from ``[tokens][channels]``: rows of the identity over x.

    Lanes past the last token are 0: so is what POST multiplies them by.
    """
    rows, columns = low.config.rows, int8_columns(low.config)
    words, span = -(-x.rows // rows), len(columns.groups) * rows
    name = f"{x.buffer.name}.transposed"
    made = View.whole(low.buffer(name, x.words * rows, words))
    out = QTensor(shape=(made.rows, x.rows))
    twice = np.where(np.arange(words * rows) < x.rows, 2, 0)
    unchanged = post_of(low, name, out, columns, twice, {"post_shift": 1})
    fields = {
        "n_tiles": -(-words // len(columns.groups)),
        "source": int(isa.Stationary.ROWS),
        "columns": int(columns.columns),
        "stationary_stride": x.buffer.words,
        "tile_stride": span * x.buffer.words,
    }
    for word in range(x.words):
        for block in in_blocks(eye.buffer, low.config.accumulator_rows):
            target = replace(made, row=word * rows + block.row, rows=block.rows)
            gemm = stream(layer.name, block, fields)
            emit_product(low, gemm, _words(x, word, 1), unchanged, target)
    return made


def key_sum(low: Lowering, layer: QKeySum) -> None:
    """Sum of what is positive over tokens."""
    channels = low.layouts[layer.name]
    mul, bias = np.full(len(channels), layer.mul), np.zeros(len(channels), dtype=np.int64)
    _sum(low, layer, layer.k, mul, bias, relu=True)


def pool(low: Lowering, layer: QPool) -> None:
    """Mean over tokens."""
    channels = low.layouts[layer.name]
    mul, bias = (
        np.where(channels >= 0, low.tensor(layer, part)[channels], 0) for part in ("mul", "bias")
    )
    _sum(low, layer, layer.x, mul, bias, relu=False)


def _sum(
    low: Lowering,
    layer: QKeySum | QPool,
    operand: str,
    mul: np.ndarray,
    bias: np.ndarray,
    *,
    relu: bool,
) -> None:
    """A row of ones meets the operand, which is transposed as it is loaded."""
    check_stationary(low, layer, operand)
    tokens = low.layers[operand].out.shape[0]
    low.check_sums(layer, tokens * magnitude(low.layers[operand].out) + int(np.abs(bias).max()))
    columns, rows = int8_columns(low.config), low.config.rows
    shifts = {"pre_shift": layer.pre_shift, "post_shift": layer.post_shift}
    post = post_of(low, layer.name, layer.out, columns, mul, shifts, bias)
    out = _made(low, layer)
    row = constant(low, f"ones.{tokens}", ones(tokens, rows))
    for x, result in _images(low, low.stored[operand][0], out):
        fields = {
            "n_tiles": -(-len(mul) // rows // len(columns.groups)),
            "source": int(isa.Stationary.TRANSPOSED),
            "columns": int(columns.columns),
            "stationary_stride": x.whole.buffer.words,
            "tile_stride": len(columns.groups),
            "relu_stationary": int(relu),
        }
        emit_product(low, stream(layer.name, row, fields), x.whole, post, result.whole)


def divisor(low: Lowering, layer: QDivisor) -> None:
    """Head by head: every column holds the sums of the head, so that each lane has its code.

    Raises
    ------
    ConfigError
        If the accelerator divides in another way.
    """
    exact = layer.out.format == "reciprocal"
    ways = ("by powers of two", "log2"), ("by reciprocals", "reciprocal")
    if exact != (low.config.division == "reciprocal"):
        (way, name), (other, _) = ways[exact], ways[not exact]
        raise ConfigError(
            f"layer {layer.name} divides {way}, but the accelerator {other}; set division = "
            f"{name!r}, or quantise for this accelerator"
        )
    words = _head_words(low, layer, layer.heads, layer.q)
    q, sums = (low.layers[name].out for name in (layer.q, layer.sums))
    low.check_sums(layer, q.shape[1] // layer.heads * relu_magnitude(q) * relu_magnitude(sums))
    post = _inverses(low, layer, words) if exact else _codes(low, layer, words)
    _per_head(low, layer, layer.sums, {"stationary_stride": 0, "tile_stride": 0}, post, words)


def _codes(low: Lowering, layer: QDivisor, words: int) -> Post:
    return _post(low, layer, 0, words, layer.pre_shift, 1, isa.Division.CODE)


def _inverses(low: Lowering, layer: QDivisor, words: int) -> Post:
    """Mantissas and exponents through tables by lane: low byte, high byte, the exponent itself."""
    index = np.arange(256)
    factor = low.tensor(layer, "table")
    tables = np.stack((factor & 255, factor >> 8, index - 128 & 255))
    slot = np.tile([0, 1, 2, 2], words * low.config.rows // 4)
    fields = {"pre_shift": layer.pre_shift, "post_shift": 1, "division": int(isa.Division.CODE)}
    columns, mul = int8_columns(low.config), np.full(len(slot), 256)
    mantissas = QTensor(shape=layer.out.shape, zero_point=-128)
    post = post_of(low, layer.name, mantissas, columns, mul, fields, slot=slot)
    return replace(post, table=tables_of(low, layer.name, tables))


def quotient(low: Lowering, layer: QQuotient) -> None:
    """Head by head; POST takes the codes as residuals."""
    words = _head_words(low, layer, layer.heads, layer.q)
    check_stationary(low, layer, layer.kv)
    kv = low.layers[layer.kv].out
    low.check_sums(layer, quotient_bound(low.layers[layer.q].out, kv))
    (held,) = low.stored[layer.kv]
    stride = held.pieces[0].buffer.words
    span = len(int8_columns(low.config).groups) * low.config.rows
    post = _post(
        low, layer, layer.mul, words, layer.pre_shift, layer.post_shift, isa.Division.DIVIDE
    )
    strides = {"stationary_stride": stride, "tile_stride": span * stride}
    _per_head(low, layer, layer.kv, strides, post, words, low.stored[layer.divisor][0])


def _per_head(
    low: Lowering,
    layer: QDivisor | QQuotient,
    operand: str,
    strides: dict[str, int],
    post: Post,
    words: int,
    codes: Stored | None = None,
) -> None:
    """Positive queries meet the rows of ``operand``, ``words`` words a head."""
    columns, out = int8_columns(low.config), _made(low, layer)
    beside = () if codes is None else (codes,)
    tensors = (low.stored[operand][0], low.stored[layer.q][0], out, *beside)
    fields = strides | {
        "k_tiles": words,
        "n_tiles": -(-words // len(columns.groups)),
        "source": int(isa.Stationary.ROWS),
        "columns": int(columns.columns),
        "relu_stream": 1,
    }
    for head in range(layer.heads):
        for held, *tensor in _images(low, *tensors):
            standing = _words(held.whole, head * words, words)
            for views in aligned(*(part.pieces for part in tensor)):
                query, target, *code = (_words(view, head * words, words) for view in views)
                gemm = low.gemm(layer, layer.q, query, fields)
                own = replace(post, residual=code[0] if code else None)
                emit_product(low, gemm, standing, own, target)


def _head_words(low: Lowering, layer: QLayer, heads: int, operand: str) -> int:
    """Words of a head."""
    if not low.config.hybrid:
        raise ConfigError(
            f"layer {layer.name} is linear attention, which needs hybrid = true; set it"
        )
    dim, rows = low.layers[operand].out.shape[1] // heads, low.config.rows
    if dim % rows:
        raise ConfigError(
            f"layer {layer.name} has heads of {dim} channels, which do not fill words of {rows}; "
            f"use rows that divide {dim}"
        )
    return dim // rows


def _post(
    low: Lowering,
    layer: QKeyValue | QDivisor | QQuotient,
    mul: int,
    words: int,
    pre_shift: int,
    post_shift: int,
    division: isa.Division = isa.Division.NONE,
) -> Post:
    """The same for every channel."""
    columns, muls = int8_columns(low.config), np.full(words * low.config.rows, mul)
    shifts = {"pre_shift": pre_shift, "post_shift": post_shift, "division": int(division)}
    return post_of(low, layer.name, layer.out, columns, muls, shifts)


def _made(low: Lowering, layer: QLayer) -> Stored:
    """Room for the result."""
    out = Stored(low.new(layer.name, layer.out), low.layouts[layer.name])
    low.stored[layer.name] = [out]
    return out


def _images(low: Lowering, *tensors: Stored) -> Iterator[list[Stored]]:
    """Parts of tensors that belong to an image."""
    images = len(low.images)
    yield from (list(parts) for parts in zip(*(t.split(images) for t in tensors), strict=True))


def _words(view: View, first: int, words: int) -> View:
    return replace(view, word=view.word + first, words=words)
