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
    2 cycles per byte; latency 1 cycle. ``o`` and ``i.ready`` depend on registers alone, which cuts
    the path from the line's ready through the packing back to `Requests`.
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
        held = Signal(last_layout())
        full = Signal()
        m.d.comb += [self.i.ready.eq(~full), moves.eq(self.o.valid & self.o.ready)]
        with m.If(self.i.ready):
            m.d.sync += [held.eq(self.i.payload), full.eq(self.i.valid)]
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
                self.o.valid.eq(full & checksum.ready),
                self.o.p.byte.eq(held.byte),
                checksum.enter.eq(moves),
                checksum.byte.eq(held.byte),
            ]
            with m.If(moves):
                m.d.sync += [full.eq(0), sealing.eq(held.last)]
        return m
