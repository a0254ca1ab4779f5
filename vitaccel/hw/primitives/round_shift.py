"""Rounding shift to the right with saturation."""

from amaranth import Cat, Const, Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.replace_adder import ReplaceAdder
from vitaccel.hw.primitives.window_shift import WindowShift, distance

__all__ = ["RoundShift"]


class RoundShift(wiring.Component):
    """Computes ``o = saturate((i + 2**shift) >> (shift + 1))``, ties towards plus infinity.

    Parameters
    ----------
    in_width
        Bits of ``i``.
    shift_width
        Bits of ``shift``, see `WindowShift`.
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
        # The last bit that falls off decides the rounding, so it stays.
        kept = self.out_width + 1
        m.submodules.window = window = WindowShift(len(self.i), len(self.shift), kept)
        coarse, fine, near = distance(m, self.shift)
        m.d.comb += [
            window.i.eq(self.i),
            window.coarse.eq(coarse),
            window.fine.eq(fine),
            window.near.eq(near),
        ]
        # What the rounding would carry past the greatest result saturates, too.
        past = ~window.negative & window.o[:-1].all()
        inside = delayed(m, ~(window.over | past), 1, "inside")
        negative = delayed(m, window.negative, 1, "sign")
        m.submodules.adder = adder = ReplaceAdder(kept)
        m.d.comb += [
            adder.a.eq(delayed(m, window.o, 1, "twice")),
            adder.b.eq(1),
            adder.other.eq(Cat(Const(0, 1), (~negative).replicate(self.out_width - 1), negative)),
            adder.add.eq(inside),
            self.o.eq(delayed(m, adder.o[1:], 1, "result")),
        ]
        return m
