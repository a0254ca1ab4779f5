"""One stream to several sinks."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Fork"]


class Fork(wiring.Component):
    """Give every payload to each of ``n`` sinks, each of which may take its time.

    Parameters
    ----------
    shape
        Payload.
    n
        Sinks.

    Members
    -------
    i : In(stream of shape)
        Taken with the last sink that takes it.
    o : Out(stream of shape), n of them
        The same payloads in the same order.

    Timing
    ------
    Latency 0; a payload per cycle if all take it at once. Combinational from the sinks' ``ready``
    to that of `i`, and from ``i.valid`` to theirs.
    """

    i: stream.Interface
    o: list[stream.Interface]

    def __init__(self, shape: ShapeLike, n: int) -> None:
        self.shape = shape
        self.n = n
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)).array(n),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        served, takes = Signal(self.n), Signal(self.n)  # before, or in this cycle too
        for n, sink in enumerate(self.o):
            m.d.comb += [
                sink.payload.eq(self.i.payload),
                sink.valid.eq(self.i.valid & ~served[n]),
                takes[n].eq(served[n] | sink.ready),
            ]
        m.d.comb += self.i.ready.eq(takes.all())
        with m.If(self.i.valid):
            m.d.sync += served.eq(takes & ~takes.all().replicate(self.n))
        return m
