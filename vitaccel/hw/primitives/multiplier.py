"""Signed multiplier with registers on both sides."""

from typing import Any

from amaranth import ClockSignal, Const, Instance, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Multiplier"]


class Multiplier(wiring.Component):
    """Signed product of two registered operands, registered again.

    Computes ``p = a * b``, all bits kept.

    Parameters
    ----------
    a_width, b_width
        Bits of the signed operands. The ECP5 cell takes at most 18 each.

    Members
    -------
    a, b : In(signed)
        Operands.
    p : Out(signed(a_width + b_width))
        Their product.

    Timing
    ------
    Latency `LATENCY` cycles; one product per cycle; never stalls.

    Source
    ------
    Lattice FPGA-TN-02205 (ECP5 sysDSP): ``MULT18X18D`` with its input and output registers on.
    Yosys never packs registers into the cell and inferred multipliers lose 40 MHz by that, so
    `elaborate` instantiates it when its platform is ``"ecp5"`` or a Lattice ECP5 board.
    """

    a: Signal
    b: Signal
    p: Signal

    LATENCY = 2

    def __init__(self, a_width: int, b_width: int) -> None:
        super().__init__({
            "a": In(signed(a_width)),
            "b": In(signed(b_width)),
            "p": Out(signed(a_width + b_width)),
        })

    def elaborate(self, platform: object) -> Module:
        """Choose the vendor's cell or inferred logic."""
        m = Module()
        if platform == "ecp5" or str(getattr(platform, "device", "")).startswith("LFE5"):
            m.submodules.cell = self._ecp5()
        else:
            a, b = Signal.like(self.a, reset_less=True), Signal.like(self.b, reset_less=True)
            product = Signal.like(self.p, reset_less=True)
            m.d.sync += [a.eq(self.a), b.eq(self.b), product.eq(a * b)]
            m.d.comb += self.p.eq(product)
        return m

    def _ecp5(self) -> Instance:
        ports: dict[str, Any] = {f"o_P{bit}": wire for bit, wire in enumerate(self.p)}
        for name, value in (("A", self.a), ("B", self.b)):
            wide = Const(0, signed(18)) + value  # sign-extended: the cell has no narrower form
            ports |= {f"i_{name}{bit}": wide[bit] for bit in range(18)}
        for register in ("INPUTA", "INPUTB", "OUTPUT"):
            ports[f"p_REG_{register}_CLK"] = "CLK0"
        return Instance(
            "MULT18X18D",
            **ports,
            i_CLK0=ClockSignal(),
            i_CE0=1,
            i_RST0=0,
            i_SIGNEDA=1,
            i_SIGNEDB=1,
            i_SOURCEA=0,
            i_SOURCEB=0,
        )
