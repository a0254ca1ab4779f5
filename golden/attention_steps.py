"""What each layer of linear attention computes, bound to its constants."""

from functools import partial

import torch
from torch import Tensor

from golden import ops
from golden.bounds import Step, magnitude, quotient_bound, relu_magnitude
from golden.qnetwork import QDivisor, QKeySum, QKeyValue, QQuotient, QTensor

__all__ = ["attention_step"]


def attention_step(
    layer: QKeyValue | QKeySum | QDivisor | QQuotient,
    tensors: dict[str, Tensor],
    formats: dict[str, QTensor],
) -> Step:
    """Bind a layer to its constants; see `golden.ops.linear_attention` for the formulas."""
    match layer:
        case QKeyValue():
            k, v = formats[layer.k], formats[layer.v]
            bound = k.shape[0] * relu_magnitude(k) * magnitude(v)
            sums = partial(ops.key_value, heads=layer.heads, bound=bound)
            return _requantised(layer, sums)
        case QKeySum():
            return _requantised(layer, ops.key_sum)
        case QDivisor():
            return _divisor(layer, tensors.get(f"{layer.name}.table"))
        case QQuotient():
            bound = quotient_bound(formats[layer.q], formats[layer.kv])
            return _quotient(layer, formats[layer.divisor].format == "reciprocal", bound)


def _requantised(layer: QKeyValue | QKeySum, sums: Step) -> Step:
    mul = torch.tensor([layer.mul])
    requant = partial(
        ops.requant,
        bias=None,
        mul=mul,
        pre_shift=layer.pre_shift,
        post_shift=layer.post_shift,
        low=layer.out.low,
        high=layer.out.high,
    )
    return lambda *operands: requant(sums(*operands))


def _divisor(layer: QDivisor, table: Tensor | None) -> Step:
    def step(q: Tensor, sums: Tensor) -> Tensor:
        t = ops.divisor(q, sums, layer.heads) >> layer.pre_shift
        return ops.log2_round(t, layer.out.bits) if table is None else ops.invert(t, table)

    return step


def _quotient(layer: QQuotient, exact: bool, bound: int) -> Step:
    shifts = {"pre_shift": layer.pre_shift, "post_shift": layer.post_shift}
    limits = {"low": layer.out.low, "high": layer.out.high}
    divide = partial(ops.divide_log2, **shifts, **limits, mul=layer.mul)
    if exact:
        divide = partial(ops.divide_exact, **shifts, **limits)

    def step(q: Tensor, kv: Tensor, divisor: Tensor) -> Tensor:
        return divide(ops.query_values(q, kv, layer.heads, bound), divisor)

    return step
