"""Counter of free places."""

from amaranth import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

__all__ = ["Credits"]


class Credits(wiring.Component):
    """Tell whether one of ``places`` places is free, so that what enters a pipeline can leave it.

    Parameters
    ----------
    places
        Places, all free after reset.

    Members
    -------
    take : In(1)
        A place is taken; only while ``free``.
    give : In(1)
        A place is given back.
    free : Out(1)
        At least one place is free.

    Timing
    ------
    ``free`` is a register: the sign of the number of free places minus one.
    """

    take: Signal
    give: Signal
    free: Signal

    def __init__(self, places: int) -> None:
        self.places = places
        super().__init__({"take": In(1), "give": In(1), "free": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spare = Signal(signed(bits_for(self.places) + 1), init=self.places - 1)
        m.d.sync += spare.eq(spare + self.give - self.take)
        m.d.comb += self.free.eq(spare >= 0)
        return m
