"""Float graph of named layers: what the frontend makes of a model and quantisation starts from."""

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

__all__ = [
    "Add", "Concat", "Constant", "Gelu", "Input", "Layer", "LayerNorm", "Linear", "MatMul",
    "Network", "Patches", "Slice", "Softmax",
]


@dataclass(frozen=True)
class Layer:
    """Base: a layer makes one tensor, named like the layer; shapes exclude the batch."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Input(Layer):
    """Image ``[channels, height, width]``."""


@dataclass(frozen=True)
class Patches(Layer):
    """Image to ``[n_patches, channels * size * size]``, elements in the order (channel, y, x)."""

    x: str
    size: int


@dataclass(frozen=True)
class Constant(Layer):
    """``[tokens, channels]`` from ``params[name]``: class token, position embedding."""


@dataclass(frozen=True)
class Linear(Layer):
    """``x @ weight.T + bias`` with ``params[name + ".weight"]`` ``[out, in]`` and ``".bias"``."""

    x: str


@dataclass(frozen=True)
class Gelu(Layer):
    """GELU of ``x``, exact (erf) or by tanh."""

    x: str
    approximate: Literal["none", "tanh"] = "none"


@dataclass(frozen=True)
class Add(Layer):
    """``a + b``, same shape."""

    a: str
    b: str


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Over channels, with ``params[name + ".weight"]`` and ``".bias"`` ``[channels]``."""

    x: str
    eps: float


@dataclass(frozen=True)
class MatMul(Layer):
    """Per head: ``scale * a @ b.T`` (``transpose_b``) or ``a @ b``.

    With ``transpose_b``: a, b ``[tokens, heads * dim]`` to ``[heads, tokens, tokens]``; without:
    a ``[heads, tokens, tokens]``, b ``[tokens, heads * dim]`` to ``[tokens, heads * dim]``.
    """

    a: str
    b: str
    heads: int
    transpose_b: bool
    scale: float = 1.0


@dataclass(frozen=True)
class Softmax(Layer):
    """Over the last axis of ``[heads, tokens, tokens]``."""

    x: str


@dataclass(frozen=True)
class Concat(Layer):
    """Tensors ``[tokens_i, channels]`` one after the other along tokens."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class Slice(Layer):
    """``start`` to ``stop`` along tokens (axis 0) or channels (axis 1) of ``[tokens, channels]``."""

    x: str
    axis: Literal[0, 1]
    start: int
    stop: int


@dataclass(frozen=True)
class Network:
    """Layers in an order in which every operand comes before its use; the last is the output."""

    name: str
    layers: tuple[Layer, ...]
    params: dict[str, Tensor] = field(default_factory=dict)
