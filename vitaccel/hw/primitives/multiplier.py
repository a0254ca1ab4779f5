"""Multiplier with registers on both sides."""

from typing import Any

from amaranth import Cat, ClockSignal, Const, Instance, Module, Shape, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Multiplier", "on_ecp5", "product_shape"]

_CELL_BITS = 18


def product_shape(a: ShapeLike, b: ShapeLike) -> Shape:
    """Shape of all bits of a product."""
    return (Const(0, a) * Const(0, b)).shape()


def on_ecp5(platform: object) -> bool:
    """Whether cells of the ECP5 may be instantiated: ``"ecp5"``, or a board that has one."""
    return platform == "ecp5" or str(getattr(platform, "device", "")).startswith("LFE5")


class Multiplier(wiring.Component):
    """Product of two registered operands, registered again, in a multiplier block.

    Computes ``p = a * b``, all bits kept.

    Parameters
    ----------
    a_shape, b_shape
        Operands; the ECP5 cell takes at most 18 bits each, signed.

    Members
    -------
    a, b : In(a_shape, b_shape)
        Operands.
    p : Out(product_shape(a_shape, b_shape))
        Their product.

    Timing
    ------
    Latency `LATENCY` cycles; one product per cycle; never stalls.

    Source
    ------
    Lattice FPGA-TN-02205 (ECP5 sysDSP): ``MULT18X18D`` with its input and output registers on.
    Yosys never packs registers into the cell and inferred multipliers lose 40 MHz by that, so
    `elaborate` instantiates it `on_ecp5`.
    """

    a: Signal
    b: Signal
    p: Signal

    LATENCY = 2

    def __init__(self, a_shape: ShapeLike, b_shape: ShapeLike) -> None:
        super().__init__({
            "a": In(a_shape),
            "b": In(b_shape),
            "p": Out(product_shape(a_shape, b_shape)),
        })

    def elaborate(self, platform: object) -> Module:
        """Choose the vendor's cell or inferred logic."""
        m = Module()
        if on_ecp5(platform):
            m.submodules.cell = self._ecp5()
        else:
            a, b = Signal.like(self.a, reset_less=True), Signal.like(self.b, reset_less=True)
            product = Signal.like(self.p, reset_less=True)
            m.d.sync += [a.eq(self.a), b.eq(self.b), product.eq(a * b)]
            m.d.comb += self.p.eq(product)
        return m

    def _ecp5(self) -> Instance:
        # Operands fill the cell from the top: zeros below take no wires, copies of the sign would.
        ports: dict[str, Any] = {}
        below = 0
        for name, value in (("A", self.a), ("B", self.b)):
            number = value if value.shape().signed else Cat(value, 0)
            free = _CELL_BITS - len(number)
            ports |= {f"i_{name}{bit}": 0 for bit in range(free)}
            ports |= {f"i_{name}{free + bit}": wire for bit, wire in enumerate(number)}
            below += free
        ports |= {f"o_P{below + bit}": wire for bit, wire in enumerate(self.p)}
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
