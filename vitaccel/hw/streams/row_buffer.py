"""First-in first-out queue of words in block RAM."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.shared import Shared
from vitaccel.hw.streams.turns import Turns

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
    Latency 3 cycles; one payload per cycle. ``o`` and ``i.ready`` depend on registers alone, and
    ``o.ready`` does not reach the RAM, see `Turns`.
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
        places = BlockRam(self.shape, self.depth)
        m.submodules.places = Shared(places)
        m.submodules.turns = turns = Turns(self.shape)
        ahead_valid = Signal()  # of the RAM's own register
        load_ahead = Signal()
        m.d.comb += load_ahead.eq((written != read) & (~ahead_valid | turns.i.ready))
        m.d.comb += [
            self.i.ready.eq((written ^ read) != self.depth),
            places.write.eq(self.i.valid & self.i.ready),
            places.write_address.eq(written[:bits]),
            places.write_data.eq(self.i.payload),
            places.read.eq(load_ahead),
            places.read_address.eq(read[:bits]),
        ]
        m.d.sync += [written.eq(written + places.write), read.eq(read + load_ahead)]
        with m.If(load_ahead | turns.i.ready):
            m.d.sync += ahead_valid.eq(load_ahead)
        m.d.comb += [turns.i.payload.eq(places.read_data), turns.i.valid.eq(ahead_valid)]
        wiring.connect(m, turns.o, wiring.flipped(self.o))
        return m
