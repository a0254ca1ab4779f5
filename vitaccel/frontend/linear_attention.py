"""Linear attention with a ReLU kernel: ``(q (k^T v)) / (q (k^T 1))``, in the order it is written.

A column of ones beside v gives the sums of k; what the two products make has no layer of its own
until the division says what it is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from golden.network import Concat, Divisor, KeySum, KeyValue, Layer, Quotient, Relu
from vitaccel.frontend.builder import Builder
from vitaccel.frontend.registry import Value, computed, need, operator
from vitaccel.frontend.views import ONE, View, by_head, whole

__all__ = ["divide", "is_ratio", "product", "shifted"]

LARGEST_EPS = 1e-3  # beside divisors: what is greater is no safeguard against 0


@dataclass(frozen=True)
class _Sums(Layer):
    """``[dim + 1, heads * dim]``: ``v.T relu(k)`` of each head, and the sum of ``relu(k)``."""

    k: View
    v: View
    heads: int


@dataclass(frozen=True)
class _Ratio(Layer):
    """``[tokens, heads * (dim + 1)]``: numerators and the divisor of each head."""

    q: View
    sums: _Sums


@dataclass(frozen=True)
class _Denominator(View):
    """Divisors with something small added."""

    eps: float = 0.0


@operator("pad", "constant_pad_nd")
def pad(
    b: Builder, x: Value, widths: Sequence[int], mode: str = "constant", value: float | None = None
) -> View:
    view = computed(x, "operand")
    need(
        mode == "constant" and value == 1 and view.scale == 1,
        "activations may be padded by ones for linear attention, by zeros in a convolution",
    )
    return view.moved(functional.pad(view.index, list(widths), value=ONE))


def product(b: Builder, left: View, right: View) -> View | None:
    """Product of the two views if it is one of linear attention's, else None."""
    for first, second, swap in ((left, right, False), (_turned(right), _turned(left), True)):
        made = None
        if _over_tokens(b, first) and isinstance(b.layers[first.source], Relu):
            made = _sum_keys(b, _turned(first), second)
        elif isinstance(b.layers[second.source], _Sums):
            made = _ask(b, first, second)
        if made is not None:
            return _turned(made) if swap else made
    need(not _over_tokens(b, left), "linear attention must have ReLU as kernel of q and k")
    return None


def _turned(x: View) -> View:
    return x.moved(x.index.mT)


def _over_tokens(b: Builder, left: View) -> bool:
    """Whether the rows of a left operand go from token to token."""
    shape = b.layers[left.source].shape
    if len(shape) != 2 or left.index.shape[-1] < 2:
        return False
    rows = left.index[..., :2] // shape[-1]
    return bool((rows[..., 0] != rows[..., 1]).all())


def _sum_keys(b: Builder, k: View, v: View) -> View | None:
    """Keys ``[.., heads, tokens, dim]`` and values with ones ``[.., heads, tokens, dim + 1]``."""
    if b.is_opaque(v):
        return v
    keys, values = by_head(k.index), by_head(v.index)
    ones = values == ONE
    need(
        bool(ones[..., -1].all()) and not ones[..., :-1].any(),
        "linear attention must divide: values need one column of ones, the last",
    )
    heads, _, dim = keys.shape
    need(values.shape == (*keys.shape[:2], dim + 1), "keys and values must have the same channels")
    shape = (dim + 1, heads * dim)
    sums = _Sums(b.fresh("sums"), shape, k.moved(keys), v.moved(values[..., :-1]), heads)
    index = whole(shape).reshape(dim + 1, heads, dim).permute(1, 2, 0)  # [heads, dim, dim + 1]
    return b.emit(sums).moved(index).shaped(*k.index.shape[:-2], dim, dim + 1)


def _ask(b: Builder, q: View, kv: View) -> View:
    """Queries ``[.., heads, tokens, dim]`` and sums ``[.., heads, dim, dim + 1]``."""
    sums = b.layers[kv.source]
    assert isinstance(sums, _Sums)
    dim = sums.shape[0] - 1
    order = whole(sums.shape).reshape(dim + 1, sums.heads, dim).permute(1, 2, 0)
    need(torch.equal(by_head(kv.index), order), "queries must meet all sums, head by head")
    need(isinstance(b.layers[q.source], Relu), "linear attention must have ReLU as kernel of q")
    queries = by_head(q.index)
    shape = (queries.shape[1], sums.heads * (dim + 1))
    ratio = _Ratio(b.fresh("ratio"), shape, q.moved(queries), sums)
    index = whole(shape).unflatten(1, (sums.heads, -1)).transpose(0, 1)
    return b.emit(ratio).moved(index).shaped(*q.index.shape[:-1], dim + 1)


def is_ratio(b: Builder, x: View) -> bool:
    """Whether a view is of numerators and divisors of linear attention."""
    return isinstance(b.layers[x.source], _Ratio)


def shifted(x: View, eps: Tensor) -> View:
    """Divisors plus ``eps``."""
    small = eps.numel() == 1 and 0 <= eps.item() <= LARGEST_EPS
    need(small, f"only up to {LARGEST_EPS} may be added to the divisors of linear attention")
    return _Denominator(x.source, x.index, x.scale, x.version, eps=eps.item())


def divide(b: Builder, x: View, y: View) -> View:
    """Numerators over divisors."""
    if b.is_opaque(x) or b.is_opaque(y):
        return x
    ratio = b.layers[y.source]
    need(x.source == y.source and isinstance(ratio, _Ratio), "it divides by a computed tensor")
    assert isinstance(ratio, _Ratio)
    size = ratio.sums.shape[0]  # dim + 1
    above, below = x.index, y.index.expand_as(x.index)
    need(
        x.scale == y.scale == 1
        and torch.equal(above // size, below // size)
        and bool((above % size < size - 1).all() and (below % size == size - 1).all()),
        "linear attention must divide its numerators by the divisor of their head",
    )
    eps = y.eps if isinstance(y, _Denominator) else 0.0
    out = _emit(b, ratio, eps)
    return out.moved(above // size * (size - 1) + above % size)


def _emit(b: Builder, ratio: _Ratio, eps: float) -> View:
    sums = ratio.sums
    q, k, v = (
        _source(b, view, name) for view, name in ((ratio.q, "q"), (sums.k, "k"), (sums.v, "v"))
    )
    parts = [b.layers[name] for name in (q, k, v)]
    if not all(isinstance(part, Concat) and part.axis == 1 for part in parts):
        return b.emit(_attention(b, q, k, v, sums.heads, eps))
    widths = {tuple(b.layers[p].shape[1] for p in part.operands) for part in parts}
    dim = sums.shape[0] - 1
    if len(widths) > 1 or any(width % dim for width in next(iter(widths))):
        return b.emit(_attention(b, q, k, v, sums.heads, eps))
    outs = []
    for names in zip(*(part.operands for part in parts), strict=True):  # heads with own scales
        heads = b.layers[names[0]].shape[1] // dim
        q, k, v = names
        outs.append(b.emit(_attention(b, q, k, v, heads, eps)).source)
    shape = (ratio.shape[0], sums.heads * dim)
    return b.emit(Concat(b.fresh("concat"), shape, tuple(outs), axis=1))


def _source(b: Builder, view: View, kind: str) -> str:
    """Layer of ``[heads, tokens, dim]``, before the ReLU that linear attention includes."""
    layer = b.layers[view.source]
    if isinstance(layer, Relu):
        view = replace(view, source=layer.x, version=b.version(layer.x))
    return b.operand(view, view.index.transpose(0, 1).flatten(1), kind)


def _attention(b: Builder, q: str, k: str, v: str, heads: int, eps: float) -> Quotient:
    n_tokens, channels = b.layers[q].shape
    dim = channels // heads
    sums = b.emit(KeySum(b.fresh("ksum"), (1, channels), k)).source
    kv = b.emit(KeyValue(b.fresh("kv"), (dim, channels), k, v, heads)).source
    divisor = b.emit(Divisor(b.fresh("divisor"), (n_tokens, heads), q, sums, heads)).source
    return Quotient(b.fresh("attention"), (n_tokens, channels), q, kv, divisor, heads, eps)
