"""Float graph of named layers: what the frontend makes of a model and quantisation starts from."""

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from golden.preprocess import Preprocess

__all__ = [
    "Add",
    "Concat",
    "Constant",
    "Gelu",
    "Input",
    "Layer",
    "LayerNorm",
    "Linear",
    "MatMul",
    "Network",
    "Patches",
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
class Gelu(Unary):
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
class Concat(Layer):
    """Tensors ``[tokens_i, channels]`` one after the other along tokens."""

    parts: tuple[str, ...]

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
