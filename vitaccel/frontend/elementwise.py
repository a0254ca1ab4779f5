"""Operators that treat every token alike, without a matrix: sums, factors, norms, activations."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from golden.network import Activation, Add, Concat, Gelu, Hardswish, Input, LayerNorm, Relu, Softmax
from vitaccel.frontend.builder import Builder
from vitaccel.frontend.convolutions import normalized
from vitaccel.frontend.linear_attention import divide, is_ratio, shifted
from vitaccel.frontend.registry import Value, computed, known, need, operator
from vitaccel.frontend.views import View, by_head, pixels, tokens, whole

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
    if view.index.ndim == 4 and len(b.layers[view.source].shape) == 2:
        order, other = pixels(view.index), pixels(y.index)
    else:
        order, other = tokens(view.index), tokens(y.index)
    return _sum(b, view, order, b.operand(y, other), "residual")


def _add_constant(b: Builder, x: View, y: Tensor) -> View:
    shape = x.index.shape
    if is_ratio(b, x):
        return shifted(x, y)
    if isinstance(b.layers[x.source], Input):
        return normalized(x, torch.ones(1), _per_channel(y))
    if not y.any():  # such as an attention mask that hides nothing
        return x
    need(torch.broadcast_shapes(shape, y.shape) == shape, "it adds a constant of more elements")
    per_channel = y.numel() in {1, shape[-1]} and (y.ndim == 0 or y.numel() == y.shape[-1])
    if per_channel and b.foldable(x):
        return b.fold(x, x.scale, y.reshape(-1))
    return _sum(b, x, tokens(x.index), b.constant(y, shape), "add")


def _per_channel(y: Tensor) -> Tensor:
    """Constant for an image: one number, or one for each channel."""
    per_channel = y.numel() == 1 or (y.ndim >= 3 and y.numel() == y.shape[-3])
    need(per_channel, "an image may be shifted and scaled by channel only")
    return y.reshape(-1)


def _sum(b: Builder, x: View, order: Tensor, other: str, kind: str) -> View:
    """Add what lies in layer ``other`` as the elements ``order`` of ``x`` do."""
    out = b.emit(Add(b.fresh(kind), tuple(order.shape), b.operand(x, order), other))
    return restored(out, order, x.index)


def restored(out: View, order: Tensor, index: Tensor) -> View:
    """View of ``out``, made of the elements ``order``, in the shape and order of ``index``."""
    if order.numel() != index.numel() or torch.equal(order.flatten(), index.flatten()):
        return out.shaped(*index.shape)
    return out.moved(
        out.index.T.reshape(index.shape)
    )  # pixels back to [1, channels, height, width]


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
    if isinstance(b.layers[view.source], Input):
        return normalized(view, _per_channel(factor), torch.zeros(1))
    if factor.numel() == 1:
        return view.scaled(factor.item())
    per_channel = factor.numel() == factor.shape[-1] == view.index.shape[-1]
    need(per_channel and b.foldable(view), "it multiplies by a constant that is no layer scale")
    return b.fold(view, view.scale * factor.reshape(-1))


@operator("div")
def div(b: Builder, x: Value, y: Value, *, rounding_mode: str | None = None) -> View:
    need(rounding_mode is None, f"it divides with rounding {rounding_mode!r}")
    if isinstance(y, View):
        return divide(b, computed(x, "numerator"), y)
    return mul(b, x, 1 / y)


@operator("neg")
def neg(b: Builder, x: View) -> View:
    return x.scaled(-1.0)


@operator("gelu")
def gelu(b: Builder, x: View, *, approximate: str = "none") -> View:
    need(approximate in {"none", "tanh"}, f"GELU must be exact or by tanh, not {approximate!r}")
    kind = "tanh" if approximate == "tanh" else "none"
    return _activation(b, x, partial(Gelu, approximate=kind), "gelu")


@operator("hardswish")
def hardswish(b: Builder, x: View) -> View:
    return _activation(b, x, Hardswish, "hardswish")


def _activation(b: Builder, x: View, kind: Callable[..., Activation], name: str) -> View:
    image = x.index.ndim == 4 and len(b.layers[x.source].shape) == 2
    order = pixels(x.index) if image else tokens(x.index)
    source = b.operand(x, order)
    out = b.emit(kind(name=b.fresh(name, own=True), shape=tuple(order.shape), x=source))
    return restored(out, order, x.index)


@operator("relu")
def relu(b: Builder, x: View) -> View:
    """Of the whole layer: linear attention then finds the channels of each head in it."""
    shape = b.layers[x.source].shape
    source = b.operand(replace(x, index=whole(shape)), whole(shape))
    return b.emit(Relu(b.fresh("relu", own=True), shape, source)).moved(x.index)


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
    if ndim == 4 and dim % ndim == 1:
        return _concat_channels(b, parts)
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


def _concat_channels(b: Builder, parts: Sequence[Value]) -> View:
    """Images beside one another, channel by channel."""
    views = [computed(part, "each image") for part in parts]
    orders = [pixels(view.index) for view in views]
    names = tuple(b.operand(view, order) for view, order in zip(views, orders, strict=True))
    shape = (len(orders[0]), sum(order.shape[1] for order in orders))
    out = b.emit(Concat(b.fresh("concat"), shape, names, axis=1))
    return out.moved(out.index.T).shaped(1, -1, *views[0].index.shape[2:])


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
