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
    "QInput",
    "QLayer",
    "QLayerNorm",
    "QLinear",
    "QMatMul",
    "QNetwork",
    "QPatches",
    "QSlice",
    "QSoftmax",
    "QTensor",
]

VERSION = 1
RANDOM = "parameters are random: give quantize --weights for those of a trained model"


class QTensor(Config):
    """Number format of one tensor: ``value = scale * 2**shifts[c] * (q - zero_point)``.

    Format ``log2``: ``value = 2**-q``, and q = 15 stands for 0 (scale 1, unsigned, 4 bits).
    """

    shape: tuple[int, ...]
    bits: Annotated[int, Field(ge=2, le=8)] = 8
    signed: bool = True
    scale: float = 1.0
    zero_point: int = 0
    shifts: tuple[int, ...] | None = None  # per channel, 0..3: PTF of the residual stream
    format: Literal["uniform", "log2"] = "uniform"

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


class QLinear(_Layer):
    """Requantised product, optionally plus a residual, optionally through a table.

    Tensors: ``name.weight`` int8 (int16 with 5-bit power-of-two) ``[out, in]``; ``name.pot`` bool
    ``[out]``: filter is power-of-two, every weight 0 or ±2**e; ``name.bias`` int32 ``[out]``
    (input zero point folded in); ``name.mul`` int32 ``[out]`` 0..65535; with ``residual``
    ``name.residual_mul`` int32 ``[out]`` 0..65535; with ``table`` ``name.table`` int16 ``[256]``,
    indexed by the signed 8-bit value plus 128: without ``out``'s bits and zero point, which then
    are those of the table's entries.
    """

    kind: Literal["linear"] = "linear"
    x: str
    residual: str | None = None
    table: bool = False
    pre_shift: int = 0
    post_shift: int = 16
    weight_bits: int = 8
    pot_bits: int = 4


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
    """Along tokens; all parts have the format of the result."""

    kind: Literal["concat"] = "concat"
    parts: tuple[str, ...]


class QSlice(_Layer):
    """View along tokens (axis 0) or channels (axis 1); its scale may be its own."""

    kind: Literal["slice"] = "slice"
    x: str
    axis: Literal[0, 1]
    start: int
    stop: int


QLayer = Annotated[
    QInput | QPatches | QConstant | QLinear | QMatMul | QSoftmax | QLayerNorm | QConcat | QSlice,
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
