"""First-in first-out queue of words in block RAM."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.hw.memory.plane_memory import NO_RW_CHECK

__all__ = ["RowBuffer"]


class RowBuffer(wiring.Component):
    """Queue for whole rows, with the RAM's output registered once more.

    Parameters
    ----------
    shape
        Payload.
    depth
        Least number of places, rounded up to a power of two.

    Members
    -------
    i : In(stream of shape)
        A sink that counts credits itself may leave ``ready`` unconnected.
    o : Out(stream of shape)
        In the same order.

    Timing
    ------
    Latency 3 cycles; one payload per cycle. ``o`` and ``i.ready`` depend on registers alone.
    """

    i: stream.Interface
    o: stream.Interface

    LATENCY = 3

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self.shape = shape
        self.depth = 1 << ceil_log2(depth)
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = ceil_log2(self.depth)
        written = Signal(bits + 1)  # one bit more than an index: tells full from empty
        read = Signal(bits + 1)
        m.submodules.places = places = memory.Memory(
            shape=self.shape, depth=self.depth, init=[], attrs=NO_RW_CHECK
        )
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

        ahead = Signal(self.shape, reset_less=True)  # the RAM's own register
        ahead_valid = Signal()
        load_ahead = Signal()
        load = Signal()
        m.d.comb += [
            load.eq(ahead_valid & (~self.o.valid | self.o.ready)),
            load_ahead.eq((written != read) & (~ahead_valid | load)),
        ]
        with m.If(load_ahead):
            m.d.sync += [ahead.eq(read_port.data), read.eq(read + 1)]
        with m.If(load_ahead | load):
            m.d.sync += ahead_valid.eq(load_ahead)
        with m.If(load):
            m.d.sync += self.o.payload.eq(ahead)
        with m.If(load | self.o.ready):
            m.d.sync += self.o.valid.eq(load)
        return m
