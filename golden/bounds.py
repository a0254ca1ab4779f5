"""Greatest magnitudes of tensors and of sums of products: what proves that floats are exact."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from golden import ops
from golden.qnetwork import QMatMul, QTensor

__all__ = ["Step", "magnitude", "matmul_bound", "quotient_bound", "relu_magnitude"]

Step: TypeAlias = Callable[..., Tensor]  # tensors of the operands, in order -> tensor of the layer


def magnitude(x: QTensor) -> int:
    """Greatest absolute value."""
    return max(-x.low, x.high)


def relu_magnitude(x: QTensor) -> int:
    """Greatest value after ReLU."""
    return x.high


def matmul_bound(layer: QMatMul, a: QTensor, b: QTensor) -> int:
    """Greatest sum of the absolute values of the terms of one output, before requantisation.

    Parameters
    ----------
    layer
        Product of operands with formats ``a`` and ``b``; log2 codes come from a softmax.
    """
    if a.format == "log2":
        return ops.LOG2_ROW_SUM * magnitude(b)
    terms = a.shape[1] // layer.heads if layer.transpose_b else a.shape[2]
    return terms * magnitude(a) * magnitude(b)


def quotient_bound(q: QTensor, kv: QTensor) -> int:
    """The same of a numerator of linear attention."""
    return kv.shape[0] * relu_magnitude(q) * magnitude(kv)
