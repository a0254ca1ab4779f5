"""Shift by one of four distances."""

from amaranth import Const, Instance, Module, Mux, Shape, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.carry_chain import extended
from vitaccel.hw.primitives.multiplier import on_ecp5

__all__ = ["QuadShift", "quad_shifted"]

CHOOSE = 0xCACA  # of a LUT: B if C else A


class QuadShift(wiring.Component):
    """Right shift by 0 to 3 steps.

    Computes ``o = i >> step * shift``, modulo ``2**width``.

    Parameters
    ----------
    shape
        Of what is shifted; its sign comes in if it has one.
    step
        Bits of a step.
    width
        Bits of the result.

    Members
    -------
    i : In(shape)
        To be shifted.
    shift : In(2)
        Steps.
    o : Out(width)
        Shifted.

    Timing
    ------
    Combinational.

    Source
    ------
    Lattice FPGA-TN-02216 (ECP5 slices): ``PFUMX`` chooses between the two LUTs of a slice, so that
    each chooses between two bits only. Yosys 0.70 takes it for functions of five inputs, not for
    the six of this one: two or three LUTs a bit, in two levels. Bits that two or three steps only
    give the sign have fewer inputs and are left to Yosys.
    """

    i: Signal
    shift: Signal
    o: Signal

    def __init__(self, shape: ShapeLike, step: int, width: int) -> None:
        self.step = step
        super().__init__({"i": In(shape), "shift": In(2), "o": Out(Shape(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not on_ecp5(platform):
            m.d.comb += self.o.eq(self.i >> Value.cast(self.shift) * self.step)
            return m
        width = len(self.o)
        bits = extended(self.i, width + 3 * self.step)
        first_sign = len(self.i) - self.i.shape().signed
        for n in range(width):
            if n + 2 * self.step >= first_sign:
                near = Mux(self.shift[0], bits[n + self.step], bits[n])
                m.d.comb += self.o[n].eq(Mux(self.shift[1], bits[-1], near))
                continue
            pairs = []
            for upper in range(2):
                pair = Signal(name=f"pair_{n}_{upper}")
                low, high = (bits[n + (2 * upper + k) * self.step] for k in range(2))
                m.submodules[f"lut_{n}_{upper}"] = Instance(
                    "LUT4",
                    p_INIT=Const(CHOOSE, 16),
                    i_A=low, i_B=high, i_C=self.shift[0], i_D=0, o_Z=pair,
                )  # fmt: skip
                pairs.append(pair)
            m.submodules[f"mux_{n}"] = Instance(
                "PFUMX", i_BLUT=pairs[0], i_ALUT=pairs[1], i_C0=self.shift[1], o_Z=self.o[n]
            )
        return m


def quad_shifted(m: Module, name: str, value: Value, shift: Value, step: int, width: int) -> Value:
    """Lowest bits of ``value >> step * shift``."""
    m.submodules[name] = quad = QuadShift(value.shape(), step, width)
    m.d.comb += [quad.i.eq(value), quad.shift.eq(shift)]
    return quad.o
