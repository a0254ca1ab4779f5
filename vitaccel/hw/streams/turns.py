"""Two registers that take turns, for wide payloads between far places."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Turns"]


class Turns(wiring.Component):
    """Register both directions of a stream; a late ``ready`` moves no wide register.

    The `Skid` of wide payloads: it enables all registers of its output by ``o.ready``, here they
    are enabled by registers alone and ``o.ready`` changes three bits. Its price is a multiplexer
    behind the registers. Both accept and offer in the same cycles, so that a payload may be split
    between them.

    Parameters
    ----------
    shape
        Payload.

    Members
    -------
    i : In(stream of shape)
        Taken unless both registers wait.
    o : Out(stream of shape)
        The same payloads in the same order.

    Timing
    ------
    Latency 1 cycle; one payload per cycle; ``o.valid`` and ``i.ready`` are registers, ``o.payload``
    one of two.
    """

    i: stream.Interface
    o: stream.Interface

    LATENCY = 1

    def __init__(self, shape: ShapeLike) -> None:
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, second = (Signal(self.shape, name=f"place_{n}", reset_less=True) for n in range(2))
        reading, writing = Signal(), Signal()  # whose turn it is
        taken, given = Signal(), Signal()
        room = Signal(init=1)
        m.d.comb += [
            self.i.ready.eq(room),
            taken.eq(self.i.valid & room),
            given.eq(self.o.valid & self.o.ready),
            writing.eq(reading ^ self.o.valid),  # if there is room
            self.o.payload.eq(Mux(reading, second, first)),
        ]
        with m.If(room & ~writing):
            m.d.sync += first.eq(self.i.payload)
        with m.If(room & writing):
            m.d.sync += second.eq(self.i.payload)
        waiting = self.o.valid & ~given
        m.d.sync += [
            reading.eq(reading ^ given),
            self.o.valid.eq(taken | waiting | ~room),
            room.eq(~(waiting & (taken | ~room))),
        ]
        return m
