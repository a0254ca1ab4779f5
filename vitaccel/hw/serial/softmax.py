"""SOFTMAX as a microprogram."""

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.serial.assembler import Assembler, Register
from vitaccel.hw.serial.memories import parameter_places
from vitaccel.hw.serial.microinstruction import Action, Alu, Special
from vitaccel.hw.serial.reciprocal import reciprocal
from vitaccel.hw.serial.rows import pad, rows
from vitaccel.isa import FIELDS, Op, Space

__all__ = ["softmax"]

_TABLE_BYTES = 2048


def softmax(asm: Assembler, config: AcceleratorConfig) -> None:
    """Row by row: greatest element, exponentials and their sum, probabilities."""
    names = [name for name in FIELDS[Op.SOFTMAX] if name != "log2"]
    f = asm.fields(Op.SOFTMAX, names, asm["field"])
    places = parameter_places(config)
    asm.multiply(f["param"], _TABLE_BYTES)
    asm.power(asm["highest"], f["bits"], 31)
    asm.add(asm["exp"], places[Space.EXP], Special.PRODUCT)
    asm.sub(asm["highest"], asm["highest"], 1)
    with rows(asm, "softmax", f):
        _greatest(asm, f["length"])
        _exponentials(asm, f["length"], places[None])
        _scale(asm, f["bits"])
        _probabilities(asm, f["length"], places[None])
        pad(asm, "softmax", f)


def _greatest(asm: Assembler, length: Register) -> None:
    asm.add(asm["at"], asm["src"])
    asm.add(asm["greatest"], 0, -128)
    asm.sub(asm["left"], length, 1)
    asm.label("softmax.greatest")
    asm.load(asm["at"], 1)
    asm.op(Alu.MAX, asm["greatest"], asm["greatest"], Special.BYTE)
    asm.count(asm["left"], "softmax.greatest")


def _exponentials(asm: Assembler, length: Register, row: int) -> None:
    asm.add(asm["at"], asm["src"])
    asm.add(asm["kept"], 0, row)
    asm.add(asm["total"], 0)
    asm.sub(asm["left"], length, 1)
    asm.label("softmax.exponential")
    asm.load(asm["at"], 1)
    asm.sub(asm["t"], asm["greatest"], Special.BYTE)
    asm.double(asm["t"], 3)
    asm.add(asm["t"], asm["t"], asm["exp"])
    asm.load(asm["t"])
    asm.mask(asm["t"], 65535, Special.WORD)
    asm.store(asm["kept"], 4, Action.STORE_WORD)
    asm.add(asm["total"], asm["total"], asm["t"])
    asm.count(asm["left"], "softmax.exponential")


def _scale(asm: Assembler, bits: Register) -> None:
    """``factor`` is the reciprocal of the sum, in units of ``2**-shift``."""
    asm.sub(asm["shift"], 31, bits)
    asm.label("softmax.normalize")
    asm.branch_less(asm["total"], 65536, "softmax.normal")
    asm.shift(asm["total"], asm["total"], 1)
    asm.add(asm["shift"], asm["shift"], 1)
    asm.jump("softmax.normalize")
    asm.label("softmax.normal")
    reciprocal(asm, asm["factor"], asm["total"], "softmax.reciprocal")
    asm.sub(asm["half"], asm["shift"], 1)
    asm.power(asm["half"], asm["half"], 34)


def _probabilities(asm: Assembler, length: Register, row: int) -> None:
    asm.add(asm["kept"], 0, row)
    asm.add(asm["to"], asm["dst"])
    asm.sub(asm["left"], length, 1)
    asm.label("softmax.probability")
    asm.load(asm["kept"], 4)
    asm.multiply(asm["factor"], Special.WORD)
    asm.sub(asm["left"], asm["left"], 1)
    asm.add(asm["t"], asm["half"], Special.PRODUCT)
    asm.shift(asm["t"], asm["t"], asm["shift"])
    asm.op(Alu.MIN, asm["t"], asm["t"], asm["highest"])
    asm.store(asm["to"], 1)
    asm.branch_less(-1, asm["left"], "softmax.probability")
