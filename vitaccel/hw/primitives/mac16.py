"""Multiplier of 16 x 16 bits with registers on both sides, for the iCE40 UltraPlus."""

from amaranth import ClockSignal, Const, Instance, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.single_port_ram import on_ultraplus

__all__ = ["Mac16"]

_PRODUCT = 3  # what the outputs select


class Mac16(wiring.Component):
    """Product of two operands that are kept until the next ones are taken.

    Parameters
    ----------
    signed
        Whether both operands are.

    Members
    -------
    a, b : In(16)
        Operands.
    take : In(1)
        Replace the operands by those of this cycle.
    p : Out(32)
        Their product.

    Timing
    ------
    Latency `LATENCY` cycles; one product per cycle.

    Source
    ------
    Lattice FPGA-TN-02007 (iCE40 DSP function usage guide): ``SB_MAC16`` with its input registers
    and the register behind the product on. nextpnr times no path through one without, and
    ``synth_ice40 -dsp`` of Yosys 0.70 would turn all of them off.
    """

    a: Signal
    b: Signal
    take: Signal
    p: Signal

    LATENCY = 2

    def __init__(self, *, signed: bool) -> None:
        self.signed = signed
        shape = Shape(16, signed)
        super().__init__({
            "a": In(shape),
            "b": In(shape),
            "take": In(1),
            "p": Out(Shape(32, signed)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if on_ultraplus(platform):
            m.submodules.cell = self._cell()
            return m
        left, right = (Signal.like(port, reset_less=True) for port in (self.a, self.b))
        with m.If(self.take):
            m.d.sync += [left.eq(self.a), right.eq(self.b)]
        m.d.sync += self.p.eq(left * right)
        return m

    def _cell(self) -> Instance:
        off = ("CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "OLOADTOP", "OLOADBOT")
        off += ("ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN")
        return Instance(
            "SB_MAC16",
            p_A_REG=Const(1, 1),
            p_B_REG=Const(1, 1),
            p_PIPELINE_16x16_MULT_REG2=Const(1, 1),
            p_TOPOUTPUT_SELECT=Const(_PRODUCT, 2),
            p_BOTOUTPUT_SELECT=Const(_PRODUCT, 2),
            p_A_SIGNED=Const(self.signed, 1),
            p_B_SIGNED=Const(self.signed, 1),
            i_CLK=ClockSignal(),
            i_CE=Const(1),
            i_A=self.a,
            i_B=self.b,
            i_C=Const(0, 16),
            i_D=Const(0, 16),
            i_AHOLD=~self.take,
            i_BHOLD=~self.take,
            **{f"i_{name}": Const(0) for name in off},
            o_O=self.p,
        )
