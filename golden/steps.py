"""What each layer of a QNetwork computes, bound to its constants."""

from functools import partial

import torch
from torch import Tensor

from golden import ops
from golden.attention_steps import attention_step
from golden.bounds import Step, magnitude, matmul_bound
from golden.qnetwork import (
    QConcat,
    QConstant,
    QConv,
    QDivisor,
    QKeySum,
    QKeyValue,
    QLayer,
    QLayerNorm,
    QLinear,
    QLookup,
    QMatMul,
    QPatches,
    QPool,
    QQuotient,
    QSlice,
    QSoftmax,
    QTensor,
)

__all__ = ["step_of"]


def step_of(layer: QLayer, tensors: dict[str, Tensor], formats: dict[str, QTensor]) -> Step:
    """Bind what a layer computes to its constants."""
    match layer:
        case QLinear() | QConv():
            return _product(layer, tensors, formats[layer.x])
        case QPool():
            return _pool(layer, tensors)
        case QLookup():
            return _lookup(layer, tensors)
        case QKeyValue() | QKeySum() | QDivisor() | QQuotient():
            return attention_step(layer, tensors, formats)
        case QMatMul():
            return _matmul(layer, formats[layer.a], formats[layer.b])
        case QSoftmax():
            table, log2 = tensors[f"{layer.name}.table"], layer.out.format == "log2"
            return partial(ops.softmax, table=table, bits=layer.out.bits, log2=log2)
        case QLayerNorm():
            return _layernorm(layer, tensors, formats[layer.x])
        case QConstant():
            value = tensors[f"{layer.name}.value"][None]
            return lambda: value
        case QPatches():
            return partial(ops.patches, size=layer.size)
        case QConcat():
            return lambda *parts: torch.cat(parts, dim=layer.axis + 1)
        case QSlice():
            return lambda x: x.narrow(layer.axis + 1, layer.start, layer.stop - layer.start)
        case _:
            raise TypeError(f"{layer.kind} is the first layer only")


def _product(layer: QLinear | QConv, tensors: dict[str, Tensor], x: QTensor) -> Step:
    weight, bias, mul = (tensors[f"{layer.name}.{part}"] for part in ("weight", "bias", "mul"))
    bound = ops.linear_bound(weight.flatten(1), bias, magnitude(x))
    weight, bias = (tensor.to(ops.exact_dtype(bound)) for tensor in (weight, bias))
    if isinstance(layer, QConv):
        sums = _convolution(layer, weight, bias, tensors[f"{layer.name}.pad"], bound)
    else:
        sums = partial(ops.linear, weight=weight, bias=bias, bound=bound)
    residual_mul = tensors.get(f"{layer.name}.residual_mul")
    # a table takes signed 8-bit values with zero point 0
    requant = _requant(layer, QTensor(shape=layer.out.shape) if layer.table else layer.out)
    lookup = _lookup(layer, tensors) if layer.table else None

    def step(x: Tensor, residual: Tensor | None = None) -> Tensor:
        y = requant(sums(x), mul=mul, residual=residual, residual_mul=residual_mul)
        return y if lookup is None else lookup(y)

    return step


def _convolution(layer: QConv, weight: Tensor, bias: Tensor, pad: Tensor, bound: int) -> Step:
    return partial(
        ops.conv,
        weight=weight,
        bias=bias,
        pad=pad,
        size=(layer.height, layer.width),
        stride=layer.stride,
        padding=layer.padding,
        groups=layer.groups,
        bound=bound,
    )


def _lookup(layer: QLinear | QConv | QLookup, tensors: dict[str, Tensor]) -> Step:
    table = tensors[f"{layer.name}.table"].to(torch.int8 if layer.out.signed else torch.uint8)
    if table.ndim == 1:
        return partial(ops.lookup, table=table)
    return partial(ops.lookup_slots, tables=table, slot=tensors[f"{layer.name}.slot"])


def _pool(layer: QPool, tensors: dict[str, Tensor]) -> Step:
    bias, mul = (tensors[f"{layer.name}.{part}"] for part in ("bias", "mul"))
    requant = _requant(layer, layer.out)
    return lambda x: requant(ops.pool(x) + bias, mul=mul)


def _matmul(layer: QMatMul, a: QTensor, b: QTensor) -> Step:
    bound = matmul_bound(layer, a, b)
    mul, requant = torch.tensor([layer.mul]), _requant(layer, layer.out)
    log2 = a.format == "log2"

    def split(x: Tensor) -> Tensor:  # [batch, tokens, heads * dim] to [batch, heads, tokens, dim]
        return x.unflatten(-1, (layer.heads, -1)).transpose(1, 2)

    def step(a: Tensor, b: Tensor) -> Tensor:
        if layer.transpose_b:
            acc = ops.matmul(split(a), split(b).transpose(2, 3), bound)  # [batch, heads, m, n]
        elif log2:
            acc = ops.log2_matmul(a, split(b), ops.LOG2_ROW_SUM)  # [batch, heads, m, dim]
        else:
            acc = ops.matmul(a, split(b), bound)  # [batch, heads, m, dim]
        y = requant(acc, mul=mul)
        return y if layer.transpose_b else y.transpose(1, 2).flatten(2)

    return step


def _layernorm(layer: QLayerNorm, tensors: dict[str, Tensor], x: QTensor) -> Step:
    return partial(
        ops.layernorm,
        gain=tensors[f"{layer.name}.gain"],
        offset=tensors[f"{layer.name}.offset"],
        shifts=None if x.shifts is None else torch.tensor(x.shifts),
        post_shift=layer.post_shift,
        low=layer.out.low,
        high=layer.out.high,
    )


def _requant(layer: QLinear | QConv | QPool | QMatMul, out: QTensor) -> Step:
    """`ops.requant` of sums that include the bias, to the format ``out``."""
    return partial(
        ops.requant,
        bias=None,
        pre_shift=layer.pre_shift,
        post_shift=layer.post_shift,
        zero_point=out.zero_point,
        low=out.low,
        high=out.high,
    )
