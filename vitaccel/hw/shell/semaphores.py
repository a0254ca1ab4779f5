"""Counting semaphores between the units."""

from collections.abc import Collection

from amaranth import Assert, Assume, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.isa import Unit

__all__ = ["Semaphores"]


class Semaphores(wiring.Component):
    """One counter per pair (producer → consumer), 0 to `MOST`.

    Parameters
    ----------
    units
        Those that there are; of others nothing is ever there, and nothing is ever full.

    Members
    -------
    take : In(6 masks of 6)
        ``take[c][p]``: consumer c takes a token of (p → c); only while ``has[c][p]``.
    give : In(6 masks of 6)
        ``give[p][c]``: producer p gives a token to (p → c); only while ``room[p][c]``.
    has : Out(6 masks of 6)
        ``has[c][p]``: (p → c) holds a token.
    room : Out(6 masks of 6)
        ``room[p][c]``: (p → c) is not full.

    Timing
    ------
    A token can be taken in the cycle after it was given. All outputs are registers.
    """

    take: data.View
    give: data.View
    has: data.View
    room: data.View

    BITS = 6
    MOST = (1 << BITS) - 1

    def __init__(self, units: Collection[Unit]) -> None:
        self.units = tuple(units)
        masks = data.ArrayLayout(len(Unit), len(Unit))
        full = data.ArrayLayout(len(Unit), len(Unit)).const([(1 << len(Unit)) - 1] * len(Unit))
        super().__init__({
            "take": In(masks),
            "give": In(masks),
            "has": Out(masks),
            "room": Out(masks, init=full),  # pyright: ignore[reportCallIssue]
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for producer in self.units:
            for consumer in self.units:
                name = f"{producer.name}_{consumer.name}".lower()
                count = Signal(self.BITS, name=name)
                following = Signal(self.BITS, name=f"{name}_next")
                takes = self.take[consumer][producer]
                gives = self.give[producer][consumer]
                m.d.comb += following.eq(count + gives - takes)
                m.d.sync += [
                    count.eq(following),
                    self.has[consumer][producer].eq(following != 0),
                    self.room[producer][consumer].eq(following != self.MOST),
                ]
                if platform == "formal":  # what the dispatchers keep, and what follows
                    m.d.comb += [
                        Assume(self.has[consumer][producer] | ~takes, "takes nothing"),
                        Assume(self.room[producer][consumer] | ~gives, "gives too much"),
                        Assert((count != 0) | ~takes, f"{name} taken while empty"),
                        Assert((count != self.MOST) | ~gives, f"{name} given while full"),
                    ]
        return m
