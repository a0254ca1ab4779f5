"""One step of arithmetic, applied several times to a value on its way through."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.streams.stream import link

__all__ = ["Chain", "Iterate", "Step"]

Step = Callable[[data.View], Mapping[str, Any]]


class Iterate(wiring.Component):
    """Apply ``step`` to a structure ``n_steps`` times, one application per cycle.

    Parameters
    ----------
    layout
        Structure.
    n_steps
        Applications, >= 1.
    step
        Maps a structure to expressions for those of its fields that change.

    Members
    -------
    i, o : In, Out(stream of layout)
        Before and after.

    Timing
    ------
    Latency ``n_steps`` cycles; one structure every ``n_steps`` cycles. Payload and valid of `o` are
    registers; combinational path from ``o.ready`` to ``i.ready``.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, layout: data.StructLayout, n_steps: int, step: Step) -> None:
        self.layout = layout
        self.n_steps = n_steps
        self.step = step
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(range(self.n_steps))
        busy = Signal()
        take = Signal()
        now = Signal(self.layout)
        following = Signal(self.layout)
        m.d.comb += [
            self.o.valid.eq(busy & (left == 0)),
            self.i.ready.eq(~busy | (self.o.valid & self.o.ready)),
            take.eq(self.i.valid & self.i.ready),
            now.eq(Mux(take, self.i.payload, self.o.payload)),
            following.eq(now),
        ]
        m.d.comb += [following[field].eq(value) for field, value in self.step(now).items()]
        with m.If(take):
            m.d.sync += [busy.eq(1), left.eq(self.n_steps - 1)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.Elif(self.o.ready):
            m.d.sync += busy.eq(0)
        with m.If(take | (left != 0)):
            m.d.sync += self.o.payload.eq(following)
        return m


class Chain(wiring.Component):
    """Several `Iterate` of one layout, one after the other, each at work on its own structure.

    Members
    -------
    i, o : In, Out(stream of layout)
        Before the first and after the last.

    Timing
    ------
    The latencies add up; the interval is the longest one. Combinational path from ``o.ready`` to
    ``i.ready``.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, layout: data.StructLayout, stages: Sequence[tuple[int, Step]]) -> None:
        self.layout = layout
        self.stages = stages
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        source = wiring.flipped(self.i)
        for n, (n_steps, step) in enumerate(self.stages):
            m.submodules[f"stage_{n}"] = stage = Iterate(self.layout, n_steps, step)
            link(m, source, stage.i)
            source = stage.o
        link(m, source, wiring.flipped(self.o))
        return m
