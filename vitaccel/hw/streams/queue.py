"""First-in first-out queue of structured payloads in distributed memory."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.hw.streams.turns import Turns

__all__ = ["Queue"]


class Queue(wiring.Component):
    """Queue of ``depth`` payloads, plus one in the output register, or two if they are wide.

    Parameters
    ----------
    shape
        Payload.
    depth
        Places, a power of two; 16 fill the distributed memory of ECP5 exactly.
    wide
        Whether the output is `Turns`, so that ``o.ready`` may come late.

    Members
    -------
    i : In(stream of shape)
        A sink that counts credits itself may leave ``ready`` unconnected.
    o : Out(stream of shape)
        In the same order.

    Timing
    ------
    Latency 2 cycles; one payload per cycle; `o` and ``i.ready`` depend on registers alone.
    """

    i: stream.Interface
    o: stream.Interface

    LATENCY = 2

    def __init__(self, shape: ShapeLike, depth: int, *, wide: bool = False) -> None:
        self.shape = shape
        self.depth = depth
        self.wide = wide
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = exact_log2(self.depth)
        written = Signal(bits + 1)  # one bit more than an index: tells full from empty
        read = Signal(bits + 1)
        m.submodules.places = places = memory.Memory(shape=self.shape, depth=self.depth, init=[])
        write_port = places.write_port()
        read_port = places.read_port(domain="comb")
        m.d.comb += [
            self.i.ready.eq((written ^ read) != self.depth),
            write_port.en.eq(self.i.valid & self.i.ready),
            write_port.addr.eq(written[:bits]),
            write_port.data.eq(self.i.payload),
            read_port.addr.eq(read[:bits]),
        ]
        m.d.sync += written.eq(written + write_port.en)

        if self.wide:
            m.submodules.turns = turns = Turns(self.shape)
            m.d.comb += [turns.i.payload.eq(read_port.data), turns.i.valid.eq(written != read)]
            m.d.sync += read.eq(read + (turns.i.valid & turns.i.ready))
            wiring.connect(m, turns.o, wiring.flipped(self.o))
            return m
        first = Signal(self.shape, reset_less=True)
        load = Signal()
        m.d.comb += self.o.payload.eq(first)
        m.d.comb += load.eq((written != read) & (~self.o.valid | self.o.ready))
        with m.If(load):
            m.d.sync += [first.eq(read_port.data), read.eq(read + 1)]
        with m.If(load | self.o.ready):
            m.d.sync += self.o.valid.eq(load)
        return m
