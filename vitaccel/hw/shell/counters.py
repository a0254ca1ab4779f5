"""Performance counters."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.isa import Unit

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count cycles in which something holds, over one run; 32 bits, wrapping.

    Members
    -------
    clear : In(1)
        All to zero.
    running, beat, busy, waiting : In
        What is counted, the last two per unit, while ``running``.
    cycles, beats : Out(32)
    busy_cycles, waiting_cycles : Out(6 times 32)

    Timing
    ------
    Events enter through a register.
    """

    clear: Signal
    running: Signal
    beat: Signal
    busy: Signal
    waiting: Signal
    cycles: Signal
    beats: Signal
    busy_cycles: data.View
    waiting_cycles: data.View

    def __init__(self) -> None:
        per_unit = data.ArrayLayout(32, len(Unit))
        super().__init__({
            "clear": In(1),
            "running": In(1),
            "beat": In(1),
            "busy": In(len(Unit)),
            "waiting": In(len(Unit)),
            "cycles": Out(32),
            "beats": Out(32),
            "busy_cycles": Out(per_unit),
            "waiting_cycles": Out(per_unit),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counters = [self.cycles, self.beats, *self.busy_cycles, *self.waiting_cycles]
        events = Cat(1, self.beat, self.busy, self.waiting)
        seen = Signal(len(counters))
        m.d.sync += seen.eq(events & self.running.replicate(len(counters)))
        for counter, event in zip(counters, seen, strict=True):
            with m.If(self.clear):
                m.d.sync += counter.eq(0)
            with m.Else():
                m.d.sync += counter.eq(counter + event)
        return m
