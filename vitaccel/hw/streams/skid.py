"""Two-place buffer that cuts the combinational paths of a stream."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Skid"]


class Skid(wiring.Component):
    """Register both directions of a stream without losing throughput.

    Parameters
    ----------
    shape
        Payload.

    Members
    -------
    i : In(stream of shape)
        Taken whenever the second place is empty.
    o : Out(stream of shape)
        The same payloads in the same order.

    Timing
    ------
    Latency 1 cycle; one payload per cycle; `o` and ``i.ready`` are registers.
    """

    i: stream.Interface
    o: stream.Interface

    LATENCY = 1

    def __init__(self, shape: ShapeLike) -> None:
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first = Signal(self.shape, reset_less=True)
        spare = Signal(self.shape, reset_less=True)
        empty = Signal(init=1)  # of the second place
        m.d.comb += [self.i.ready.eq(empty), self.o.payload.eq(first)]
        with m.If(empty):
            m.d.sync += spare.eq(self.i.payload)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                first.eq(Mux(empty, self.i.payload, spare)),
                self.o.valid.eq(self.i.valid | ~empty),
                empty.eq(1),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += empty.eq(0)
        return m
