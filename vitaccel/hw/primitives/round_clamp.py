"""Rounding and clamping of a shifted number."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.replace_adder import ReplaceAdder

__all__ = ["TWICE_BITS", "RoundClamp", "limits", "limits_layout"]

TWICE_BITS = 11  # twice the result before the zero point: the last bit rounds


def limits_layout() -> data.StructLayout:
    """Thresholds in units of half a result, and what replaces a result beyond them."""
    return data.StructLayout({
        "least": signed(TWICE_BITS),
        "most": signed(TWICE_BITS),
        "zero_point": signed(8),
        "low": signed(9),
        "high": signed(9),
    })


def limits(m: Module, low: Signal, high: Signal, zero_point: Signal | int = 0) -> data.View:
    """Return the limits of results from ``low`` to ``high``, one cycle later."""
    found = Signal(limits_layout(), reset_less=True)
    m.d.sync += [
        found.least.eq((low - zero_point) << 1),
        found.most.eq((high - zero_point) << 1),
        found.zero_point.eq(zero_point),
        found.low.eq(low),
        found.high.eq(high),
    ]
    return found


class RoundClamp(wiring.Component):
    """Computes ``o = clamp(((twice + 1) >> 1) + zero_point, low, high)``, its lowest 8 bits.

    Parameters
    ----------
    coded
        Whether something else may take the place of the result.

    Members
    -------
    twice : In(signed(TWICE_BITS)), over, negative : In(1)
        Number in units of half a result; if ``over``, it is beyond them on the side that
        ``negative`` tells.
    limits : In(limits_layout)
        `limits` of low, high and zero point.
    ends : In(limits_layout), code : In(8), use_code : In(1)
        The same limits one cycle later; then also what takes the place of the result, and whether.
    o : Out(8)
        Result.

    Timing
    ------
    Latency `LATENCY` cycles; one result per cycle; never stalls.
    """

    twice: Signal
    over: Signal
    negative: Signal
    limits: data.View
    ends: data.View
    code: Signal
    use_code: Signal
    o: Signal

    LATENCY = 2

    def __init__(self, coded: bool = False) -> None:
        self.coded = coded
        super().__init__({
            "twice": In(signed(TWICE_BITS)),
            "over": In(1),
            "negative": In(1),
            "limits": In(limits_layout()),
            "ends": In(limits_layout()),
            "code": In(8),
            "use_code": In(1),
            "o": Out(8),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        under = (self.twice - self.limits.least)[-1]
        past = (self.limits.most - self.twice)[-1]
        below = delayed(m, Mux(self.over, self.negative, under), 1, "below")
        inside = delayed(m, ~(self.over | under | past), 1, "inside")
        other = Mux(below, self.ends.low, self.ends.high)
        if self.coded:
            inside, other = inside & ~self.use_code, Mux(self.use_code, self.code, other)
        # The lowest bit of the sum rounds.
        m.submodules.adder = adder = ReplaceAdder(9)
        m.d.comb += [
            adder.a.eq(delayed(m, self.twice[:9], 1, "twice")),
            adder.b.eq(Cat(1, self.ends.zero_point)),
            adder.other.eq(Cat(0, other)),
            adder.add.eq(inside),
            self.o.eq(delayed(m, adder.o[1:], 1, "chosen")),
        ]
        return m
