"""QNetwork: the integer network, the contract between quantisation, execution and compilation."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from golden.preprocess import Preprocess
from vitaccel.config import Config

__all__ = [
    "RANDOM",
    "QConcat",
    "QConstant",
    "QConv",
    "QDivisor",
    "QInput",
    "QKeySum",
    "QKeyValue",
    "QLayer",
    "QLayerNorm",
    "QLinear",
    "QLookup",
    "QMatMul",
    "QNetwork",
    "QPatches",
    "QPool",
    "QQuotient",
    "QSlice",
    "QSoftmax",
    "QTensor",
]

VERSION = 1
RANDOM = "parameters are random: give quantize --weights for those of a trained model"


class QTensor(Config):
    """Number format of one tensor: ``value = scale * 2**shifts[c] * (q - zero_point)``.

    Channels may have zero points of their own: ``zero_points`` instead of ``zero_point``, which
    then is 0. Format ``log2``: ``value = 2**-q``, and q = 15 stands for 0 (scale 1, unsigned, 4
    bits). Formats of divisors, unsigned: ``power``, ``value = scale * 2**q`` (4 bits);
    ``reciprocal``, what `golden.ops.invert` gives of ``value / scale`` (8 bits).
    """

    shape: tuple[int, ...]
    bits: Annotated[int, Field(ge=2, le=8)] = 8
    signed: bool = True
    scale: float = 1.0
    zero_point: int = 0
    shifts: tuple[int, ...] | None = None  # per channel, 0..3: PTF of the residual stream
    zero_points: tuple[int, ...] | None = None
    format: Literal["uniform", "log2", "power", "reciprocal"] = "uniform"

    @property
    def low(self) -> int:
        """Least integer."""
        return -(1 << self.bits - 1) if self.signed else 0

    @property
    def high(self) -> int:
        """Greatest integer."""
        return (1 << self.bits - self.signed) - 1


class _Layer(Config):
    name: str
    out: QTensor


class QInput(_Layer):
    """Image; the only place where a float becomes an integer (round half up, clamp)."""

    kind: Literal["input"] = "input"


class QPatches(_Layer):
    """Rearrangement ``[c, h, w]`` to ``[n_patches, c * size * size]``; no arithmetic."""

    kind: Literal["patches"] = "patches"
    x: str
    size: int


class QConstant(_Layer):
    """Tensor ``name.value`` int8 ``[tokens, channels]``."""

    kind: Literal["constant"] = "constant"


class _Product(_Layer):
    """Filters over activations, requantised; optionally plus a residual, optionally a table."""

    x: str
    residual: str | None = None
    table: bool = False
    slots: Annotated[int, Field(ge=1, le=8)] = 1
    pre_shift: int = 0
    post_shift: int = 16
    weight_bits: int = 8
    pot_bits: int = 4


class QLinear(_Product):
    """Requantised product, optionally plus a residual, optionally through a table.

    Tensors: ``name.weight`` int8 (int16 with 5-bit power-of-two) ``[out, in]``; ``name.pot`` bool
    ``[out]``: filter is power-of-two, every weight 0 or ±2**e; ``name.bias`` int32 ``[out]``
    (input zero point folded in); ``name.mul`` int32 ``[out]`` 0..65535; with ``residual``
    ``name.residual_mul`` int32 ``[out]`` 0..65535; with ``table`` ``name.table`` int16 ``[256]``,
    indexed by the signed 8-bit value plus 128: without ``out``'s bits and zero point, which then
    are those of the table's entries. With ``slots`` above 1 there are as many tables, ``[slots,
    256]``, and ``name.slot`` int32 ``[out]`` says which a channel takes.
    """

    kind: Literal["linear"] = "linear"


class QConv(_Product):
    """Convolution over pixels ``[height * width, in]``; all else as of `QLinear`.

    Tensors as of `QLinear`, but ``name.weight`` ``[out, in / groups, kernel, kernel]``; and
    ``name.pad`` int16 ``[in]`` in the range of x: the pixel beyond the edges.
    """

    kind: Literal["conv"] = "conv"
    height: int
    width: int
    kernel: int
    stride: int
    padding: int
    groups: int


class QPool(_Layer):
    """Sum over tokens, requantised to the mean.

    Tensors ``name.bias`` and ``name.mul`` int32 ``[channels]``, as of `QLinear`.
    """

    kind: Literal["pool"] = "pool"
    x: str
    pre_shift: int = 0
    post_shift: int = 16


class QLookup(_Layer):
    """Table ``name.table`` int16 ``[256]``, indexed by the signed 8-bit value plus 128."""

    kind: Literal["lookup"] = "lookup"
    x: str


class QKeyValue(_Layer):
    """Linear attention: per head ``v.T @ max(k, 0)``, requantised as of `QMatMul`."""

    kind: Literal["key_value"] = "key_value"
    k: str
    v: str
    heads: int
    mul: int
    pre_shift: int = 0
    post_shift: int = 16


class QKeySum(_Layer):
    """Linear attention: sum of ``max(k, 0)`` over tokens, requantised as of `QMatMul`."""

    kind: Literal["key_sum"] = "key_sum"
    k: str
    mul: int
    pre_shift: int = 0
    post_shift: int = 16


class QDivisor(_Layer):
    """Linear attention: per head ``max(q, 0) @ sums.T >> pre_shift``, rounded to ``out.format``.

    ``power``: codes of `golden.ops.log2_round`; ``reciprocal``: those of `golden.ops.invert`, with
    the table ``name.table`` int32 ``[256]`` of u16.
    """

    kind: Literal["divisor"] = "divisor"
    q: str
    sums: str
    heads: int
    pre_shift: int = 0


class QQuotient(_Layer):
    """Linear attention: per head ``max(q, 0) @ kv.T`` over the divisor of the token and head.

    See `golden.ops.divide_log2` for divisors in format ``power``, `golden.ops.divide_exact` for
    ``reciprocal``, which has no need of ``mul``: their table has that factor.
    """

    kind: Literal["quotient"] = "quotient"
    q: str
    kv: str
    divisor: str
    heads: int
    mul: int = 0
    pre_shift: int = 0
    post_shift: int = 16


class QMatMul(_Layer):
    """Per head ``a @ b.T`` or ``a @ b``, requantised by one multiplier, with bias 0.

    Zero points of ``a`` and ``b`` are 0; ``b`` is signed. Sums of log2 probabilities are in units
    of 2**-14 times the scale of ``b``.
    """

    kind: Literal["matmul"] = "matmul"
    a: str
    b: str
    heads: int
    transpose_b: bool
    mul: int
    pre_shift: int = 0
    post_shift: int = 16


class QSoftmax(_Layer):
    """Softmax by the exp table ``name.table`` int32 ``[256]`` of u16; ``out.format`` says which."""

    kind: Literal["softmax"] = "softmax"
    x: str


class QLayerNorm(_Layer):
    """LayerNorm; ``name.gain`` int16 ``[channels]``, ``name.offset`` int32 ``[channels]``."""

    kind: Literal["layernorm"] = "layernorm"
    x: str
    post_shift: int = 16


class QConcat(_Layer):
    """Along tokens (axis 0) or channels (axis 1); all parts have the format of the result."""

    kind: Literal["concat"] = "concat"
    parts: tuple[str, ...]
    axis: Literal[0, 1] = 0


class QSlice(_Layer):
    """View along tokens (axis 0) or channels (axis 1); its scale may be its own."""

    kind: Literal["slice"] = "slice"
    x: str
    axis: Literal[0, 1]
    start: int
    stop: int


QLayer = Annotated[
    QInput
    | QPatches
    | QConstant
    | QLinear
    | QConv
    | QMatMul
    | QSoftmax
    | QLayerNorm
    | QKeyValue
    | QKeySum
    | QDivisor
    | QQuotient
    | QPool
    | QLookup
    | QConcat
    | QSlice,
    Field(discriminator="kind"),
]


@dataclass(frozen=True)
class QNetwork:
    """Layers in executable order; the last one's tensor is the output (integer logits).

    ``classes``, ``trained`` and ``preprocess`` are those of `golden.network.Network`.
    """

    name: str
    layers: tuple[QLayer, ...]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    scheme: str = ""
    trained: bool = True
    preprocess: Preprocess | None = None

    @property
    def remarks(self) -> list[str]:
        """What to say beside every result of this network."""
        return [] if self.trained else [RANDOM]
