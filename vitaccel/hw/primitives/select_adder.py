"""Adder with a choice before it."""

from amaranth import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.carry_chain import carry_chain, extended
from vitaccel.hw.primitives.multiplier import on_ecp5

__all__ = ["SelectAdder"]

# Of a slice that adds A and (C if B else D), see `carry_chain`.
SELECT = 0x596A


class SelectAdder(wiring.Component):
    """Sum of a value and one of two others.

    Computes ``o = a + (c if select else b) + carry``, modulo the width of o.

    Parameters
    ----------
    a_shape, b_shape, c_shape
        Operands, signed.
    width
        Bits of the sum.

    Members
    -------
    a, b, c : In(a_shape, b_shape, c_shape)
        Operands.
    select, carry : In(1)
        Whether c is added instead of b; added too.
    o : Out(signed(width))
        Sum.

    Timing
    ------
    Combinational.

    Source
    ------
    Lattice FPGA-TN-02216 (ECP5 slices): the LUT before each bit of a carry chain has four inputs,
    so the choice costs nothing there. Yosys leaves two of them unused.
    """

    a: Signal
    b: Signal
    c: Signal
    select: Signal
    carry: Signal
    o: Signal

    def __init__(
        self, a_shape: ShapeLike, b_shape: ShapeLike, c_shape: ShapeLike, width: int
    ) -> None:
        super().__init__({
            "a": In(a_shape),
            "b": In(b_shape),
            "c": In(c_shape),
            "select": In(1),
            "carry": In(1),
            "o": Out(Shape(width, signed=True)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Below the operands stands a bit in which 1 and the carry are added.
        if on_ecp5(platform):
            a, b, c = (extended(value, len(self.o)) for value in (self.a, self.b, self.c))
            select = Cat(0, self.select.replicate(len(self.o)))
            inputs = Cat(1, a), select, Cat(0, c), Cat(self.carry, b)
            total: Value = carry_chain(m, "sum", inputs, SELECT, Const(0, 1))
        else:
            added = Mux(self.select, self.c, self.b)
            total = Cat(1, self.a).as_signed() + Cat(self.carry, added).as_signed()
        m.d.comb += self.o.eq(total[1:])
        return m
