"""Delays that make a word a diagonal of the array."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Skew"]


class Skew(wiring.Component):
    """Delay lane r of a word by r + 1 cycles.

    Parameters
    ----------
    word
        Array layout; its length is the number of lanes.

    Members
    -------
    i : In(word)
        Lanes of the same cycle.
    o : Out(word)
        Lanes as the rows of the array want them.

    Timing
    ------
    Latency of lane r: ``LATENCY + r`` cycles.
    """

    i: data.View
    o: data.View

    LATENCY = 1

    def __init__(self, word: data.ArrayLayout) -> None:
        self.word = word
        super().__init__({"i": In(word), "o": Out(word)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waiting = self.i
        for first in range(self.word.length):
            delayed = Signal(self.word, name=f"delayed_{first}", reset_less=True)
            for lane in range(first, self.word.length):
                m.d.sync += delayed[lane].eq(waiting[lane])
            m.d.comb += self.o[first].eq(delayed[first])
            waiting = delayed
        return m
