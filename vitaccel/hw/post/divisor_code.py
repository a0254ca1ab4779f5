"""Codes of divisors: powers of two that stand for them."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["DivisorCode"]

NIBBLE = 4
MOST = 15


class DivisorCode(wiring.Component):
    """Leading-one detector that rounds at 1.5 times a power of two.

    Computes ``min(15, i + [bit i-1 of t])`` with i the index of t's leading one; 0 for t = 0.

    Parameters
    ----------
    width
        Bits of t, 18 in POST.

    Members
    -------
    t : In(signed(width))
        From 0; codes of negative numbers mean nothing.
    code : Out(4)
        Of the t of `LATENCY` cycles ago.

    Timing
    ------
    Latency `LATENCY` cycles; one number per cycle.

    Numerics
    --------
    Exact; golden twin `golden.ops.log2_round`.
    """

    t: Signal
    code: Signal

    LATENCY = 2

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({"t": In(signed(width)), "code": Out(4)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Stage 1: the code within each nibble, and whether the nibble has a one.
        chosen = Const(0)
        for low in range(0, MOST, NIBBLE):
            own = self.t[low : low + NIBBLE]
            rounded = Signal(range(NIBBLE + 1), name=f"rounded_{low}", reset_less=True)
            there = Signal(name=f"there_{low}", reset_less=True)
            local = self.t[low - 1] if low else Const(0)
            for k in range(1, NIBBLE):
                local = Mux(own[k], k + own[k - 1], local)
            m.d.sync += [rounded.eq(local), there.eq(own.any())]
            chosen = Mux(there, low + rounded, chosen)
        # Stage 2: the highest nibble that has one.
        beyond, code = Signal(reset_less=True), Signal(4, reset_less=True)
        m.d.sync += [
            beyond.eq(self.t[MOST : self.width - 1].any()),
            code.eq(Mux(beyond, MOST, chosen)),
        ]
        m.d.comb += self.code.eq(code)
        return m
