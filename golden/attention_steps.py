"""What each layer of linear attention computes, bound to its constants."""

from functools import partial

import torch
from torch import Tensor

from golden import ops
from golden.bounds import Step, magnitude, quotient_bound, relu_magnitude
from golden.qnetwork import QDivisor, QKeySum, QKeyValue, QQuotient, QTensor

__all__ = ["attention_step"]


def attention_step(
    layer: QKeyValue | QKeySum | QDivisor | QQuotient, formats: dict[str, QTensor]
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
            return _divisor(layer)
        case QQuotient():
            bound = quotient_bound(formats[layer.q], formats[layer.kv])
            return _quotient(layer, formats[layer.divisor].format == "float", bound)


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


def _divisor(layer: QDivisor) -> Step:
    def step(q: Tensor, sums: Tensor) -> Tensor:
        t = ops.divisor(q, sums, layer.heads) >> layer.pre_shift
        if layer.out.format == "float":
            return torch.cat(ops.float_round(t), dim=-1)
        return ops.log2_round(t, layer.out.bits)

    return step


def _quotient(layer: QQuotient, exact: bool, bound: int) -> Step:
    shifts = {"mul": layer.mul, "pre_shift": layer.pre_shift, "post_shift": layer.post_shift}
    limits = {"low": layer.out.low, "high": layer.out.high}
    divide = partial(ops.divide_log2, **shifts, **limits)
    if exact:
        divide = partial(ops.divide_exact, **shifts, **limits, divide_shift=layer.divide_shift)

    def step(q: Tensor, kv: Tensor, divisor: Tensor) -> Tensor:
        return divide(ops.query_values(q, kv, layer.heads, bound), divisor)

    return step
