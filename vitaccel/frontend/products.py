"""Operators with a matrix: linear layers, attention."""

import torch
from torch import Tensor

from golden.network import Linear, MatMul
from vitaccel.frontend.builder import Builder
from vitaccel.frontend.elementwise import add, softmax
from vitaccel.frontend.linear_attention import product
from vitaccel.frontend.registry import OPERATORS, Value, computed, known, need, operator
from vitaccel.frontend.views import View, by_head, tokens

__all__ = ["OPERATORS"]


@operator("linear")
def linear(b: Builder, x: Value, weight: Value, bias: Value | None = None) -> View:
    view, matrix = computed(x, "operand"), known(weight, "weight")
    offset = torch.zeros(len(matrix)) if bias is None else known(bias, "bias")
    order = tokens(view.index)
    source = b.operand(view, order, "tokens")
    layer = Linear(b.fresh("linear", own=True), (len(order), len(matrix)), source)
    out = b.emit(layer, weight=matrix, bias=offset.expand(len(matrix)))
    return out.shaped(*view.index.shape[:-1], -1)


@operator("addmm", "baddbmm")
def addmm(b: Builder, bias: Value, x: Value, y: Value, beta: float = 1, alpha: float = 1) -> View:
    need(alpha == beta == 1, f"beta and alpha must be 1, not {beta} and {alpha}")
    if isinstance(y, Tensor) and isinstance(bias, Tensor) and bias.ndim == 1:
        return linear(b, x, y.mT, bias)
    return add(b, matmul(b, x, y), bias)


@operator("matmul", "mm", "bmm")
def matmul(b: Builder, x: Value, y: Value) -> View:
    if isinstance(y, Tensor):
        matrix = y.reshape(-1, *y.shape[-2:])[0]
        need(torch.equal(y, matrix.expand_as(y)), "it multiplies by more than one matrix")
        return linear(b, x, matrix.mT)
    left, right = computed(x, "left operand"), computed(y, "right operand")
    if (made := product(b, left, right)) is not None:
        return made
    if len(b.layers[left.source].shape) == 3:
        return context(b, left, right)
    return scores(b, left, right.moved(right.index.mT))


def scores(b: Builder, q: View, k: View, scale: float = 1.0) -> View:
    """Query times key, ``[.., heads, tokens, dim]`` both, to ``[.., heads, tokens, tokens]``."""
    left, right = by_head(q.index), by_head(k.index)
    heads = len(left)
    need(heads == len(right), f"{heads} heads of queries but {len(right)} of keys")
    layer = MatMul(
        b.fresh("scores"),
        (heads, left.shape[1], right.shape[1]),
        b.operand(q.unscaled(), left.transpose(0, 1).flatten(1), "q"),
        b.operand(k.unscaled(), right.transpose(0, 1).flatten(1), "k"),
        heads,
        transpose_b=True,
        scale=scale * q.scale * k.scale,
    )
    out = b.emit(layer)
    return out.shaped(*q.index.shape[:-1], -1)


def context(b: Builder, p: View, v: View) -> View:
    """Probabilities ``[.., heads, tokens, tokens]`` times value ``[.., heads, tokens, dim]``."""
    left, right = by_head(p.index), by_head(v.index)
    heads, rows, _ = left.shape
    need(heads == len(right), f"{heads} heads of probabilities but {len(right)} of values")
    layer = MatMul(
        b.fresh("context"),
        (rows, heads * right.shape[2]),
        b.operand(p.unscaled(), left, "probabilities"),
        b.operand(v.unscaled(), right.transpose(0, 1).flatten(1), "v"),
        heads,
        transpose_b=False,
        scale=p.scale * v.scale,
    )
    out = b.emit(layer)
    index = out.index.unflatten(1, (heads, -1)).transpose(0, 1)  # [heads, tokens, dim]
    return out.moved(index).shaped(*p.index.shape[:-1], -1)


def hides_nothing(mask: Value | None) -> bool:
    """Whether a mask lets every token see every token: True, or 0 to be added."""
    if not isinstance(mask, Tensor):
        return mask is None
    return bool(mask.all() if mask.dtype == torch.bool else not mask.any())


@operator("scaled_dot_product_attention")
def attention(
    b: Builder,
    q: Value,
    k: Value,
    v: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> View:
    need(not is_causal and hides_nothing(attn_mask), "attention masks are not supported")
    need(dropout_p == 0, "the model is in training mode; call eval() before the export")
    need(not enable_gqa, "grouped queries are not supported")
    query, key, value = (computed(x, "each of query, key and value") for x in (q, k, v))
    factor = query.index.shape[-1] ** -0.5 if scale is None else scale
    return context(b, softmax(b, scores(b, query, key, factor), -1), value)


@operator("_scaled_dot_product_flash_attention_for_cpu")
def flash_attention(
    b: Builder,
    q: Value,
    k: Value,
    v: Value,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Value | None = None,
    scale: float | None = None,
) -> tuple[View, None]:
    return attention(b, q, k, v, attn_mask, dropout_p, is_causal, scale=scale), None
