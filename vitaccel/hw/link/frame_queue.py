"""Requests that wait for their turn, each of them whole."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.hw.link.checksum import Checksum
from vitaccel.hw.link.slip import BYTE, token_layout
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.shared import Shared
from vitaccel.link_protocol import CRC_BYTES, HEADER_BYTES, MOST_BYTES

__all__ = ["FrameQueue"]

SHORTEST = HEADER_BYTES + CRC_BYTES


class FrameQueue(wiring.Component):
    """Let intact frames through, in order, without their checksum.

    Nothing of a frame comes out before its end has come and its CRC-32 and size (header to
    `MOST_BYTES`) are right. Of any other frame that is not empty only a mark comes out.

    Parameters
    ----------
    depth
        Bytes, a power of two of at least 512: a frame more than the longest always finds room.
        A frame takes its bytes and one more.

    Members
    -------
    i : In(stream of token_layout)
        Frames with checksum.
    o : Out(stream of byte)
        For each frame its size, then so many bytes; for a broken one 0.

    Timing
    ------
    2 cycles per byte in, 1 per byte out. ``o`` is registers, ``i.ready`` depends on nothing else.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, depth: int) -> None:
        self.depth = depth
        super().__init__({"i": In(stream.Signature(token_layout())), "o": Out(BYTE)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = exact_log2(self.depth)
        m.submodules.checksum = checksum = Checksum()
        ram = BlockRam(8, self.depth)
        m.submodules.ram = Shared(ram)
        size = Signal(range(MOST_BYTES + 1))
        start = Signal(bits + 1)  # where the size of this frame goes; before it all is whole
        write = Signal(bits + 1, init=1)
        read = Signal(bits + 1)
        too_long, takes, whole = Signal(), Signal(), Signal()
        kept = Signal.like(size)
        token = self.i.p
        m.d.comb += [
            self.i.ready.eq(checksum.ready & ~(write - read)[bits]),
            takes.eq(self.i.valid & self.i.ready),
            checksum.enter.eq(takes & ~token.end),
            checksum.restart.eq(takes & token.end),
            checksum.byte.eq(token.byte),
            whole.eq(checksum.intact & ~token.broken & ~too_long & (size >= SHORTEST)),
            kept.eq(Mux(whole, size - CRC_BYTES, 0)),
            ram.write.eq(takes & (token.end | (size != MOST_BYTES))),
            ram.write_address.eq(Mux(token.end, start, write)),
            ram.write_data.eq(Mux(token.end, kept, token.byte)),
        ]
        after = (start + kept + 1)[: bits + 1]
        with m.If(takes & token.end):
            m.d.sync += [start.eq(after), write.eq(after + 1), size.eq(0), too_long.eq(0)]
        with m.Elif(takes & (size != MOST_BYTES)):
            m.d.sync += [write.eq(write + 1), size.eq(size + 1)]
        with m.Elif(takes):
            m.d.sync += too_long.eq(1)

        m.d.comb += [
            ram.read.eq((read != start) & (~self.o.valid | self.o.ready)),
            ram.read_address.eq(read),
            self.o.payload.eq(ram.read_data),
        ]
        m.d.sync += read.eq(read + ram.read)
        with m.If(ram.read | self.o.ready):
            m.d.sync += self.o.valid.eq(ram.read)
        return m
