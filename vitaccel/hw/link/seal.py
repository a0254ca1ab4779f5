"""Checksum behind each frame."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.link.checksum import Checksum
from vitaccel.hw.link.slip import last_layout
from vitaccel.link_protocol import CRC_BYTES

__all__ = ["Seal"]


class Seal(wiring.Component):
    """Append the CRC-32 of its bytes to each frame, low byte first.

    Members
    -------
    i : In(stream of last_layout)
        Frames of at least one byte.
    o : Out(stream of last_layout)
        The same, four bytes longer.

    Timing
    ------
    2 cycles per byte, no latency; ``o`` depends on ``i``, ``i.ready`` on ``o.ready``.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        layout = stream.Signature(last_layout())
        super().__init__({"i": In(layout), "o": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = checksum = Checksum()
        sealing = Signal()
        n = Signal(range(CRC_BYTES))
        moves = Signal()
        m.d.comb += moves.eq(self.o.valid & self.o.ready)
        with m.If(sealing):
            m.d.comb += [
                self.o.valid.eq(checksum.ready),
                self.o.p.byte.eq(checksum.value.word_select(n, 8)),
                self.o.p.last.eq(n == CRC_BYTES - 1),
                checksum.restart.eq(moves & self.o.p.last),
            ]
            with m.If(moves):
                m.d.sync += [n.eq(n + 1), sealing.eq(~self.o.p.last)]
        with m.Else():
            m.d.comb += [
                self.o.valid.eq(self.i.valid & checksum.ready),
                self.o.p.byte.eq(self.i.p.byte),
                self.i.ready.eq(self.o.ready & checksum.ready),
                checksum.enter.eq(moves),
                checksum.byte.eq(self.i.p.byte),
            ]
            m.d.sync += sealing.eq(moves & self.i.p.last)
        return m
