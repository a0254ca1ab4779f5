"""Codes of divisors: powers of two that stand for them, or their exponents."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

__all__ = ["DivisorCode"]

NIBBLE = 4
MOST = 15


class DivisorCode(wiring.Component):
    """Leading-one detector, which may round at 1.5 times a power of two.

    Computes ``min(15, i + [bit i-1 of t])`` with i the index of t's leading one; 0 for t = 0.
    Without ``rounds`` it is i itself.

    Parameters
    ----------
    width
        Bits of t, 18 in POST.
    rounds
        Whether it rounds.

    Members
    -------
    t : In(signed(width))
        From 0; codes of negative numbers mean nothing.
    code : Out(4), or as many bits as i has
        Of the t of `LATENCY` cycles ago.

    Timing
    ------
    Latency `LATENCY` cycles; one number per cycle.

    Numerics
    --------
    Exact; golden twins `golden.ops.log2_round`, and the exponent of `golden.ops.float_round`.
    """

    t: Signal
    code: Signal

    LATENCY = 2

    def __init__(self, width: int, *, rounds: bool = True) -> None:
        self.width = width
        self.rounds = rounds
        bits = bits_for(MOST if rounds else width - 2)
        super().__init__({"t": In(signed(width)), "code": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        magnitude = self.t[:-1]
        # Stage 1: the code within each nibble, and whether the nibble has a one.
        chosen = Const(0)
        for low in range(0, MOST if self.rounds else len(magnitude), NIBBLE):
            own = magnitude[low : low + NIBBLE]
            rounded = Signal(range(NIBBLE + 1), name=f"rounded_{low}", reset_less=True)
            there = Signal(name=f"there_{low}", reset_less=True)
            local = magnitude[low - 1] if low and self.rounds else Const(0)
            for k in range(1, len(own)):
                local = Mux(own[k], k + own[k - 1] if self.rounds else k, local)
            m.d.sync += [rounded.eq(local), there.eq(own.any())]
            chosen = Mux(there, low + rounded, chosen)
        # Stage 2: the highest nibble that has one.
        beyond, code = Signal(reset_less=True), Signal.like(self.code, reset_less=True)
        m.d.sync += [
            beyond.eq(magnitude[MOST:].any() if self.rounds else 0),
            code.eq(Mux(beyond, MOST, chosen)),
        ]
        m.d.comb += self.code.eq(code)
        return m
