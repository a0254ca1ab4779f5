"""One step of arithmetic, applied several times to a value on its way through."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.pipe import delayed
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
    i, o : In, Out(stream of layout, always ready)
        Before and after. Structures enter ``n_steps`` cycles apart or more.

    Timing
    ------
    Latency ``n_steps`` cycles. `o` is a register; nothing waits.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, layout: data.StructLayout, n_steps: int, step: Step) -> None:
        self.layout = layout
        self.n_steps = n_steps
        self.step = step
        signature = stream.Signature(layout, always_ready=True)
        super().__init__({"i": In(signature), "o": Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = Signal(self.layout)
        result = Signal(self.layout, reset_less=True)
        again = self.n_steps > 1
        m.d.comb += now.eq(Mux(self.i.valid, self.i.p, result) if again else self.i.p)
        m.d.sync += result.eq(now)
        m.d.sync += [result[field].eq(value) for field, value in self.step(now).items()]
        m.d.comb += self.o.p.eq(result)
        valid = delayed(m, self.i.valid, self.n_steps, "valid", reset_less=False)
        m.d.comb += self.o.valid.eq(valid)
        return m


class Chain(wiring.Component):
    """Several `Iterate` of one layout, one after the other, each at work on its own structure.

    Members
    -------
    i, o : In, Out(stream of layout, always ready)
        Before the first and after the last. Structures enter as many cycles apart as the slowest
        takes, or more.

    Timing
    ------
    The latencies add up. `o` is a register; nothing waits.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, layout: data.StructLayout, stages: Sequence[tuple[int, Step]]) -> None:
        self.layout = layout
        self.stages = stages
        signature = stream.Signature(layout, always_ready=True)
        super().__init__({"i": In(signature), "o": Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        source = wiring.flipped(self.i)
        for n, (n_steps, step) in enumerate(self.stages):
            m.submodules[f"stage_{n}"] = stage = Iterate(self.layout, n_steps, step)
            link(m, source, stage.i)
            source = stage.o
        link(m, source, wiring.flipped(self.o))
        return m
