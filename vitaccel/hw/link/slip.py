"""Frames in a byte stream: SLIP."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BYTE", "Deframer", "Framer", "last_layout", "token_layout"]

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
BYTE = stream.Signature(8)


def token_layout() -> data.StructLayout:
    """A byte of a frame, or its end; an end says whether the frame is ``broken``."""
    return data.StructLayout({"byte": 8, "end": 1, "broken": 1})


def last_layout() -> data.StructLayout:
    """A byte of a frame and whether it is the last."""
    return data.StructLayout({"byte": 8, "last": 1})


class Deframer(wiring.Component):
    """Find frames in any bytes.

    END closes a frame, and whatever comes next opens one; empty frames are left out. A frame is
    broken if ESC is followed by anything but its two codes, or if no byte follows for ``timeout``
    cycles.

    Parameters
    ----------
    timeout
        Cycles, at least 1.

    Members
    -------
    i : In(stream of byte)
        From the host.
    o : Out(stream of token_layout)
        The bytes of each frame and one end; after a bad escape they mean nothing.

    Timing
    ------
    A byte per cycle, no latency; ``o.valid`` depends on ``i.valid``, ``i.ready`` on ``o.ready``.

    Source
    ------
    RFC 1055, June 1988, page 2.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, timeout: int) -> None:
        self.timeout = timeout
        super().__init__({"i": In(BYTE), "o": Out(stream.Signature(token_layout()))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        begun, escaped, broken = Signal(), Signal(), Signal()
        late = self._late(m, begun)
        byte, out = self.i.payload, self.o.p
        ends, escapes, speaks = Signal(), Signal(), Signal()
        m.d.comb += [
            ends.eq(byte == END),
            escapes.eq((byte == ESC) & ~escaped),
            speaks.eq(Mux(ends, begun, ~escapes)),
            out.byte.eq(Mux(late, 0, Mux(escaped, Mux(byte == ESC_END, END, ESC), byte))),
            out.end.eq(late | ends),
            out.broken.eq(late | broken | escaped),
            self.o.valid.eq(late | (self.i.valid & speaks)),
            self.i.ready.eq(~late & (self.o.ready | ~speaks)),
        ]
        with m.If(self.o.valid & self.o.ready & out.end):
            m.d.sync += [begun.eq(0), escaped.eq(0), broken.eq(0)]
        with m.Elif(self.i.valid & self.i.ready & ~ends):
            m.d.sync += [begun.eq(1), escaped.eq(escapes)]
            with m.If(escaped & (byte != ESC_END) & (byte != ESC_ESC)):
                m.d.sync += broken.eq(1)
        return m

    def _late(self, m: Module, begun: Signal) -> Signal:
        """Return whether a frame has begun and no byte came for too long; until that is told."""
        late = Signal()
        left = Signal(range(self.timeout + 1))
        with m.If(late):
            m.d.sync += late.eq(~self.o.ready)
        with m.Elif(~begun | self.i.valid):
            m.d.sync += left.eq(self.timeout)
        with m.Else():
            m.d.sync += [left.eq(left - 1), late.eq(left == 1)]
        return late


class Framer(wiring.Component):
    """Pack frames for the host, with an END before and after each.

    The first ends what noise on the line has begun.

    Members
    -------
    i : In(stream of last_layout)
        Frames of at least one byte.
    o : Out(stream of byte)
        To the host.

    Timing
    ------
    A byte per cycle, no latency; ``o`` depends on ``i``, ``i.ready`` on ``o.ready``.

    Source
    ------
    RFC 1055, June 1988, page 2.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(last_layout())), "o": Out(BYTE)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        byte = self.i.p.byte
        moves, special = Signal(), Signal()
        m.d.comb += [
            self.o.payload.eq(END),
            self.o.valid.eq(self.i.valid),
            moves.eq(self.i.valid & self.o.ready),
            special.eq((byte == END) | (byte == ESC)),
        ]
        with m.FSM():
            with m.State("IDLE"), m.If(moves):
                m.next = "BYTE"
            with m.State("BYTE"):
                m.d.comb += self.o.payload.eq(Mux(special, ESC, byte))
                m.d.comb += self.i.ready.eq(self.o.ready & ~special)
                with m.If(moves):
                    m.next = "BYTE"
                    with m.If(special):
                        m.next = "CODE"
                    with m.Elif(self.i.p.last):
                        m.next = "END"
            with m.State("CODE"):
                m.d.comb += self.o.payload.eq(Mux(byte == END, ESC_END, ESC_ESC))
                m.d.comb += self.i.ready.eq(self.o.ready)
                with m.If(moves):
                    m.next = "BYTE"
                    with m.If(self.i.p.last):
                        m.next = "END"
            with m.State("END"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "IDLE"
        return m
