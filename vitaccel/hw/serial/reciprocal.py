"""Reciprocal and power of two as microprograms."""

from vitaccel.hw.serial.assembler import Assembler, Register
from vitaccel.hw.serial.microinstruction import Alu, Condition

__all__ = ["reciprocal"]

_BITS = 17  # of floor(2**31 / n)


def reciprocal(asm: Assembler, d: Register, n: Register, name: str) -> None:
    """``d = min(65535, floor(2**31 / n))`` for n from 2**15 to 2**16 - 1, a bit at a time.

    ``name`` tells the labels of several uses apart.
    """
    rest, less, left = asm["rest"], asm["less"], asm["left"]
    asm.add(rest, 0, 1 << 31 - _BITS)
    asm.add(left, 0, _BITS - 1)
    asm.add(d, 0)
    asm.label(f"{name}.bit")
    asm.double(rest)
    asm.sub(less, rest, n)
    asm.double(d)
    asm.sub(None, less, 0, when=Condition.NEGATIVE, to=f"{name}.next")
    asm.add(rest, less)
    asm.add(d, d, 1)
    asm.label(f"{name}.next")
    asm.count(left, f"{name}.bit")
    asm.op(Alu.MIN, d, d, 65535)
