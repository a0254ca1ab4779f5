"""Operators that treat every token alike, without a matrix: sums, factors, norms, activations."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from golden.network import Add, Concat, Gelu, LayerNorm, Softmax
from vitaccel.frontend.builder import Builder
from vitaccel.frontend.registry import Value, computed, known, need, operator
from vitaccel.frontend.views import Refused, View, by_head, tokens

__all__ = ["add", "softmax"]


@operator("getitem")
def getitem(b: Builder, parts: Sequence[View], which: int) -> View:
    return parts[which]


@operator("sym_size")
def sym_size(b: Builder, x: View, dim: int) -> int:
    return x.index.shape[dim]


@operator("_assert_tensor_metadata")
def assertion(b: Builder, *args: object, **kwargs: object) -> None:
    return None


@operator("to", "_to_copy", "type_as")
def convert(b: Builder, x: View, *args: object, **kwargs: object) -> View:
    for kind in (*args, *kwargs.values()):
        is_integer = isinstance(kind, torch.dtype) and not kind.is_floating_point
        need(not is_integer, f"it converts activations to {kind}")
    return x


@operator("dropout", "feature_dropout", "alpha_dropout")
def dropout(b: Builder, x: View, p: float, train: bool) -> View:
    need(not train or p == 0, "the model is in training mode; call eval() before the export")
    return x


@operator("add")
def add(b: Builder, x: Value, y: Value, *, alpha: float = 1) -> View:
    if alpha != 1:
        y = y.scaled(alpha) if isinstance(y, View) else alpha * y
    if not isinstance(x, View):
        x, y = y, x
    view = computed(x, "operand")
    if not isinstance(y, View):
        return _add_constant(b, view, torch.as_tensor(y))
    need(view.index.shape == y.index.shape, "it adds tensors of different shapes")
    return _sum(b, view, b.operand(y, tokens(y.index)), "residual")


def _add_constant(b: Builder, x: View, y: Tensor) -> View:
    shape = x.index.shape
    if not y.any():  # such as an attention mask that hides nothing
        return x
    need(torch.broadcast_shapes(shape, y.shape) == shape, "it adds a constant of more elements")
    per_channel = y.numel() in {1, shape[-1]} and (y.ndim == 0 or y.numel() == y.shape[-1])
    if per_channel and b.foldable(x):
        return b.fold(x, x.scale, y.reshape(-1))
    return _sum(b, x, b.constant(y, shape), "add")


def _sum(b: Builder, x: View, other: str, kind: str) -> View:
    order = tokens(x.index)
    layer = Add(b.fresh(kind), tuple(order.shape), b.operand(x, order), other)
    return b.emit(layer).shaped(*x.index.shape)


@operator("sub")
def sub(b: Builder, x: Value, y: Value, *, alpha: float = 1) -> View:
    return add(b, x, y, alpha=-alpha)


@operator("mul")
def mul(b: Builder, x: Value, y: Value) -> View:
    if not isinstance(x, View):
        x, y = y, x
    view = computed(x, "operand")
    need(not isinstance(y, View), "it multiplies two computed tensors element by element")
    factor = torch.as_tensor(y)
    if factor.numel() == 1:
        return view.scaled(factor.item())
    per_channel = factor.numel() == factor.shape[-1] == view.index.shape[-1]
    need(per_channel and b.foldable(view), "it multiplies by a constant that is no layer scale")
    return b.fold(view, view.scale * factor.reshape(-1))


@operator("div")
def div(b: Builder, x: Value, y: Value, *, rounding_mode: str | None = None) -> View:
    need(rounding_mode is None, f"it divides with rounding {rounding_mode!r}")
    if isinstance(y, View):
        raise Refused("it divides by a computed tensor")
    return mul(b, x, 1 / y)


@operator("neg")
def neg(b: Builder, x: View) -> View:
    return x.scaled(-1.0)


@operator("gelu")
def gelu(b: Builder, x: View, *, approximate: str = "none") -> View:
    need(approximate in {"none", "tanh"}, f"GELU must be exact or by tanh, not {approximate!r}")
    order = tokens(x.index)
    source = b.operand(x, order)
    kind = "tanh" if approximate == "tanh" else "none"
    out = b.emit(Gelu(b.fresh("gelu", own=True), tuple(order.shape), source, kind))
    return out.shaped(*x.index.shape)


@operator("layer_norm")
def layer_norm(
    b: Builder,
    x: View,
    normalized_shape: Sequence[int],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> View:
    need(len(normalized_shape) == 1, "layer_norm must go over channels only")
    order = tokens(x.index)
    channels = order.shape[1]
    source = b.operand(x, order)
    gain = torch.ones(channels) if weight is None else known(weight, "weight")
    offset = torch.zeros(channels) if bias is None else known(bias, "bias")
    layer = LayerNorm(b.fresh("norm", own=True), tuple(order.shape), source, eps)
    out = b.emit(layer, weight=gain, bias=offset)
    return out.shaped(*x.index.shape)


@operator("native_layer_norm")
def native_layer_norm(
    b: Builder, x: View, shape: Sequence[int], weight: Value, bias: Value, eps: float
) -> tuple[View, None, None]:
    return layer_norm(b, x, shape, weight, bias, eps), None, None


@operator("softmax", "_softmax", "_safe_softmax", "special_softmax")
def softmax(b: Builder, x: View, dim: int, *_: object, **__: object) -> View:
    need(dim in {-1, x.index.ndim - 1}, f"softmax must go over the last axis, not axis {dim}")
    need(len(b.layers[x.source].shape) != 2, "softmax must take attention scores")
    order = by_head(x.index)
    source = b.operand(x, order)
    out = b.emit(Softmax(b.fresh("softmax"), tuple(order.shape), source))
    return out.shaped(*x.index.shape)


@operator("cat", "concat", "concatenate")
def concat(b: Builder, parts: Sequence[Value], dim: int = 0) -> View:
    shapes = [part.index.shape if isinstance(part, View) else known(part).shape for part in parts]
    ndim = len(shapes[0])
    need(dim % ndim == ndim - 2, f"concatenation must go along tokens, not axis {dim}")
    names = tuple(
        b.operand(part, tokens(part.index))
        if isinstance(part, View)
        else b.constant(known(part), shape)
        for part, shape in zip(parts, shapes, strict=True)
    )
    tall = (sum(shape[-2] for shape in shapes), shapes[0][-1])
    out = b.emit(Concat(b.fresh("concat"), tall, names))
    return out.shaped(*shapes[0][:-2], *tall)


# What PyTorch's own decomposition of attention adds, lest a row be masked as a whole.
@operator("eq")
def equal(b: Builder, x: View, y: float) -> Tensor:
    need(y in {math.inf, -math.inf}, "it compares activations")
    return torch.zeros(x.index.shape, dtype=torch.bool)


@operator("full_like")
def full_like(b: Builder, x: View, value: float, **_: object) -> Tensor:
    return torch.full(x.index.shape, value)


@operator("where")
def where(b: Builder, condition: Value, x: Value, y: Value) -> Value:
    mask = known(condition, "condition")
    need(bool(mask.all() or not mask.any()), "it selects activations by a mask")
    return x if mask.all() else y
