"""Rounding shift to the right with saturation."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.pipe import delayed

__all__ = ["RoundShift"]


class RoundShift(wiring.Component):
    """Computes ``o = saturate((i + 2**shift) >> (shift + 1))``, ties towards plus infinity.

    Parameters
    ----------
    in_width
        Bits of ``i``.
    shift_width
        Bits of ``shift``, at least 4.
    out_width
        Bits of ``o``, below ``in_width``.

    Members
    -------
    i : In(signed(in_width))
        Number.
    shift : In(unsigned(shift_width))
        How far to move it, minus one; any value.
    o : Out(signed(out_width))
        Result.

    Timing
    ------
    Latency `LATENCY` cycles; one result per cycle; never stalls.
    """

    i: Signal
    shift: Signal
    o: Signal

    LATENCY = 4

    def __init__(self, in_width: int, shift_width: int, out_width: int) -> None:
        self.out_width = out_width
        super().__init__({
            "i": In(signed(in_width)),
            "shift": In(unsigned(shift_width)),
            "o": Out(signed(out_width)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Two stages of shifting; the last bit that falls off decides the rounding, so it stays.
        coarse = Signal.like(self.i, reset_less=True)
        fine = Signal.like(self.i, reset_less=True)
        m.d.sync += coarse.eq(self.i >> Cat(Const(0, 3), self.shift[3:]))
        m.d.sync += fine.eq(coarse >> delayed(m, self.shift[:3], 1, "fine_shift"))

        # Saturate so that adding the rounding bit cannot overflow any more.
        bounded = Signal(signed(self.out_width + 1), reset_less=True)
        low, high = fine[: self.out_width], fine[self.out_width :]
        negative = fine[-1]
        too_low = negative & ~high.all()
        too_high = ~negative & (high.any() | low.all())
        limit = Cat(Const(0, 1), too_high.replicate(self.out_width - 1), negative)
        m.d.sync += bounded.eq(Mux(too_low | too_high, limit, fine).as_signed())

        result = Signal.like(self.o, reset_less=True)
        m.d.sync += result.eq((bounded + 1) >> 1)
        m.d.comb += self.o.eq(result)
        return m
