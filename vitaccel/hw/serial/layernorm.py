"""NORM as a microprogram."""

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.serial.assembler import Assembler, Register
from vitaccel.hw.serial.memories import parameter_places
from vitaccel.hw.serial.microinstruction import Action, Alu, Condition, Special
from vitaccel.hw.serial.reciprocal import reciprocal
from vitaccel.hw.serial.rows import pad, rows
from vitaccel.isa import FIELDS, Op, Space

__all__ = ["norm"]

_WORD_BYTES = 32  # of parameters of a word: 8 for each channel
_ROOT_BITS = 16

Fields = dict[str, Register]


def norm(asm: Assembler, config: AcceleratorConfig) -> None:
    """Row by row: sums, mean and deviation, results.

    An element is kept as ``x = -16 X``, which its parameter ``-(16 << shift)`` makes of it.
    """
    f = asm.fields(Op.NORM, FIELDS[Op.NORM], asm["field"])
    places = parameter_places(config)
    asm.multiply(f["param"], _WORD_BYTES)
    asm.sub(asm["mean_half"], f["mean_shift"], 1)
    asm.add(asm["params"], places[Space.VECTOR_PARAM], Special.PRODUCT)
    asm.power(asm["mean_half"], asm["mean_half"], 31)
    asm.sub(asm["post_half"], f["post_shift"], 1)
    asm.power(asm["post_half"], asm["post_half"], 31)
    with rows(asm, "norm", f):
        _sums(asm, f["length"], places[None])
        _mean(asm, f)
        _variance(asm, f["length"])
        _deviation(asm, f["scale_shift"])
        _results(asm, f, places[None])
        pad(asm, "norm", f)


def _sums(asm: Assembler, length: Register, row: int) -> None:
    """``sum = 16 S1``, ``squares = 256 S2``."""
    x = asm["x"]
    asm.add(asm["at"], asm["src"])
    asm.add(asm["param"], asm["params"], 7)
    asm.add(asm["kept"], 0, row)
    asm.add(asm["sum"], 0)
    asm.add(asm["squares"], 0)
    asm.sub(asm["left"], length, 1)
    asm.label("norm.element")
    asm.load(asm["at"], 1)
    asm.add(x, 0, Special.BYTE)
    asm.load(asm["param"], 8)
    asm.multiply(x, Special.BYTE)
    asm.sub(asm["left"], asm["left"], 1)
    asm.add(x, 0, Special.PRODUCT)
    asm.store(asm["kept"], 4, Action.STORE_WORD)
    asm.multiply(x, x)
    asm.sub(asm["sum"], asm["sum"], x)
    asm.add(asm["squares"], asm["squares"], Special.PRODUCT)
    asm.branch_less(-1, asm["left"], "norm.element")


def _mean(asm: Assembler, f: Fields) -> None:
    """``mean = 16 mu``, rounded."""
    asm.shift(asm["sum"], asm["sum"], 4)
    asm.multiply(asm["sum"], f["mean_mul"])
    asm.shift(asm["squares"], asm["squares"], 8)
    asm.add(asm["mean"], asm["mean_half"], Special.PRODUCT)
    asm.shift(asm["mean"], asm["mean"], f["mean_shift"])


def _variance(asm: Assembler, length: Register) -> None:
    """``v = length * squares - sum**2``, the squares in two halves."""
    v = asm["v"]
    asm.shift(asm["t"], asm["squares"], 16)
    asm.multiply(length, asm["t"])
    asm.mask(asm["u"], asm["squares"], 65535)
    asm.add(asm["t"], 0, Special.PRODUCT)
    asm.multiply(length, asm["u"])
    asm.double(asm["t"], 8)
    asm.add(v, 0, Special.PRODUCT)
    asm.double(asm["t"], 8)
    asm.add(v, v, asm["t"])
    asm.multiply(asm["sum"], asm["sum"])
    asm.add(asm["factor"], 0)
    asm.sub(v, v, Special.PRODUCT)


def _deviation(asm: Assembler, scale_shift: Register) -> None:
    """``factor`` and ``shift``: reciprocal of the root of ``v``, 0 if that is 0."""
    v, shift = asm["v"], asm["shift"]
    asm.add(shift, scale_shift)
    asm.branch_less(v, 1, "norm.factor")
    asm.label("norm.small")
    asm.branch_less((1 << 30) - 1, v, "norm.not_small")
    asm.double(v, 2)
    asm.sub(shift, shift, 1)
    asm.jump("norm.small")
    asm.label("norm.not_small")
    asm.branch_less(v, 1 << 32, "norm.normal")
    asm.shift(v, v, 2)
    asm.add(shift, shift, 1)
    asm.jump("norm.not_small")
    asm.label("norm.normal")
    _root(asm, asm["root"], v)
    reciprocal(asm, asm["factor"], asm["root"], "norm.reciprocal")
    asm.label("norm.factor")
    asm.sub(asm["half"], shift, 1)
    asm.power(asm["half"], asm["half"], 31)


def _root(asm: Assembler, root: Register, rest: Register) -> None:
    """Integer square root of ``rest``, a bit at a time."""
    bit, less = asm["bit"], asm["less"]
    asm.add(root, 0)
    asm.add(bit, 0, 1 << 30)
    asm.add(asm["left"], 0, _ROOT_BITS - 1)
    asm.label("norm.root")
    asm.add(asm["t"], root, bit)
    asm.sub(less, rest, asm["t"])
    asm.shift(root, root, 1)
    asm.sub(None, less, 0, when=Condition.NEGATIVE, to="norm.bit")
    asm.add(rest, less)
    asm.add(root, root, bit)
    asm.label("norm.bit")
    asm.shift(bit, bit, 2)
    asm.count(asm["left"], "norm.root")


def _results(asm: Assembler, f: Fields, row: int) -> None:
    """Scale and shift; rows of up to 64 elements cannot saturate 18 bits on the way."""
    u, offset = asm["u"], asm["offset"]
    asm.add(asm["param"], asm["params"])
    asm.add(asm["kept"], 0, row)
    asm.add(asm["to"], asm["dst"])
    asm.sub(asm["left"], f["length"], 1)
    asm.label("norm.result")
    asm.load(asm["kept"], 4)
    asm.add(u, asm["mean"], Special.WORD)
    asm.multiply(asm["factor"], u)
    asm.load(asm["param"], 4)
    asm.add(offset, asm["post_half"], Special.WORD)
    asm.sub(u, asm["half"], Special.PRODUCT)
    asm.shift(u, u, asm["shift"])
    asm.load(asm["param"], 4)
    asm.multiply(u, Special.WORD)
    asm.sub(asm["left"], asm["left"], 1)
    asm.add(u, offset, Special.PRODUCT)
    asm.shift(u, u, f["post_shift"])
    asm.op(Alu.MAX, u, u, f["low"])
    asm.op(Alu.MIN, u, u, f["high"])
    asm.store(asm["to"], 1)
    asm.branch_less(-1, asm["left"], "norm.result")
