"""Float graph of named layers: what the frontend makes of a model and quantisation starts from."""

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from golden.preprocess import Preprocess

__all__ = [
    "Activation",
    "Add",
    "Concat",
    "Constant",
    "Conv",
    "Divisor",
    "Gelu",
    "Hardswish",
    "Input",
    "KeySum",
    "KeyValue",
    "Layer",
    "LayerNorm",
    "Linear",
    "MatMul",
    "Network",
    "Patches",
    "Pool",
    "Quotient",
    "Relu",
    "Slice",
    "Softmax",
]


@dataclass(frozen=True)
class Layer:
    """Base: a layer makes one tensor, named like the layer; shapes exclude the batch."""

    name: str
    shape: tuple[int, ...]

    @property
    def operands(self) -> tuple[str, ...]:
        """Names of the layers whose tensors this one reads."""
        return ()


@dataclass(frozen=True)
class Unary(Layer):
    """Base of layers with one operand."""

    x: str

    @property
    def operands(self) -> tuple[str, ...]:
        return (self.x,)


@dataclass(frozen=True)
class Binary(Layer):
    """Base of layers with two operands."""

    a: str
    b: str

    @property
    def operands(self) -> tuple[str, ...]:
        return (self.a, self.b)


@dataclass(frozen=True)
class Input(Layer):
    """Image ``[channels, height, width]``."""


@dataclass(frozen=True)
class Patches(Unary):
    """Image to ``[n_patches, channels * size * size]``, elements in the order (channel, y, x)."""

    size: int


@dataclass(frozen=True)
class Constant(Layer):
    """``[tokens, channels]`` from ``params[name]``: class token, position embedding."""


@dataclass(frozen=True)
class Linear(Unary):
    """``x @ weight.T + bias`` with ``params[name + ".weight"]`` ``[out, in]`` and ``".bias"``."""


@dataclass(frozen=True)
class Conv(Unary):
    """Convolution over pixels ``[height * width, channels]``, row by row.

    With ``params[name + ".weight"]`` ``[out, in / groups, kernel, kernel]``, ``".bias"`` ``[out]``
    and ``".pad"`` ``[in]``: the pixel that ``padding`` puts beyond every edge. A 1 x 1 convolution
    without groups and stride is a `Linear`.
    """

    height: int
    width: int
    kernel: int
    stride: int
    padding: int
    groups: int


@dataclass(frozen=True)
class Activation(Unary):
    """Base of functions of one element."""


@dataclass(frozen=True)
class Hardswish(Activation):
    """``x * clamp(x + 3, 0, 6) / 6``."""


@dataclass(frozen=True)
class Relu(Activation):
    """``max(x, 0)``."""


@dataclass(frozen=True)
class Gelu(Activation):
    """GELU of ``x``, exact (erf) or by tanh."""

    approximate: Literal["none", "tanh"] = "none"


@dataclass(frozen=True)
class Add(Binary):
    """``a + b``, same shape."""


@dataclass(frozen=True)
class LayerNorm(Unary):
    """Over channels, with ``params[name + ".weight"]`` and ``".bias"`` ``[channels]``."""

    eps: float


@dataclass(frozen=True)
class MatMul(Binary):
    """Per head: ``scale * a @ b.T`` (``transpose_b``) or ``scale * a @ b``.

    With ``transpose_b``: a, b ``[tokens, heads * dim]`` to ``[heads, tokens, tokens]``; without:
    a ``[heads, tokens, tokens]``, b ``[tokens, heads * dim]`` to ``[tokens, heads * dim]``.
    """

    heads: int
    transpose_b: bool
    scale: float = 1.0


@dataclass(frozen=True)
class Softmax(Unary):
    """Over the last axis of ``[heads, tokens, tokens]``."""


@dataclass(frozen=True)
class KeyValue(Binary):
    """First step of linear attention: per head ``v.T @ relu(k)``.

    k (``a``) and v (``b``) ``[tokens, heads * dim]`` to ``[dim, heads * dim]``: a row for each
    channel of v, a column for each head and channel of k.
    """

    heads: int


@dataclass(frozen=True)
class KeySum(Unary):
    """Sum of ``relu(k)`` over tokens: ``[tokens, channels]`` to ``[1, channels]``."""


@dataclass(frozen=True)
class Divisor(Binary):
    """Divisors of linear attention: per head ``relu(q) @ s.T``.

    q (``a``) ``[tokens, heads * dim]``, s (``b``, a `KeySum`) to ``[tokens, heads]``.
    """

    heads: int


@dataclass(frozen=True)
class Quotient(Layer):
    """Linear attention: per head ``relu(q) @ kv.T / (divisor + eps)``, ``[tokens, heads * dim]``.

    q ``[tokens, heads * dim]``, kv a `KeyValue`, divisor a `Divisor`.
    """

    q: str
    kv: str
    divisor: str
    heads: int
    eps: float

    @property
    def operands(self) -> tuple[str, ...]:
        return self.q, self.kv, self.divisor


@dataclass(frozen=True)
class Pool(Unary):
    """Mean over tokens: ``[tokens, channels]`` to ``[1, channels]``."""


@dataclass(frozen=True)
class Concat(Layer):
    """Tensors ``[tokens, channels]`` one after the other along tokens (0) or channels (1)."""

    parts: tuple[str, ...]
    axis: Literal[0, 1] = 0

    @property
    def operands(self) -> tuple[str, ...]:
        return self.parts


@dataclass(frozen=True)
class Slice(Unary):
    """``start`` to ``stop`` along tokens (axis 0) or channels (axis 1) of ``x``."""

    axis: Literal[0, 1]
    start: int
    stop: int


@dataclass(frozen=True)
class Network:
    """Layers in an order in which every operand comes before its use; the last is the output.

    ``classes`` names the logits where that is known; ``trained`` is false if the parameters are
    random; ``preprocess`` says what is done to pictures of another size, None: nothing.
    """

    name: str
    layers: tuple[Layer, ...]
    params: dict[str, Tensor] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    trained: bool = True
    preprocess: Preprocess | None = None
