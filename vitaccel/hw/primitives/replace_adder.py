"""Adder whose sum something else can replace."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.carry_chain import carry_chain
from vitaccel.hw.primitives.multiplier import on_ecp5

__all__ = ["ReplaceAdder"]

# Of a slice that adds B and C if A, and else shows D, see `carry_chain`.
REPLACE = 0x7D28


class ReplaceAdder(wiring.Component):
    """Sum of two values, or a third.

    Computes ``o = a + b if add else other``, modulo ``2**width``.

    Parameters
    ----------
    width
        Bits of all.

    Members
    -------
    a, b, other : In(width)
        Operands, and what comes instead of their sum.
    add : In(1)
        Whether the sum comes.
    o : Out(width)
        What came.

    Timing
    ------
    Combinational.

    Source
    ------
    As `SelectAdder`: the choice is in the LUTs of the adder.
    """

    a: Signal
    b: Signal
    other: Signal
    add: Signal
    o: Signal

    def __init__(self, width: int) -> None:
        super().__init__({
            "a": In(width),
            "b": In(width),
            "other": In(width),
            "add": In(1),
            "o": Out(width),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if on_ecp5(platform):
            inputs = self.add.replicate(len(self.o)), self.a, self.b, self.other
            m.d.comb += self.o.eq(carry_chain(m, "sum", inputs, REPLACE, Const(0, 1)))
        else:
            m.d.comb += self.o.eq(Mux(self.add, self.a + self.b, self.other))
        return m
