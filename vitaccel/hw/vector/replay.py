"""Memory that offers the words of rows a second time."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import word_layout
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.streams.credits import Credits
from vitaccel.hw.streams.row_buffer import RowBuffer
from vitaccel.hw.vector.marker import marked_layout

__all__ = ["Replay"]

SLACK = 112  # words that may follow a row while its statistics are computed


class Replay(wiring.Component):
    """Pass words on at once for the statistics of their row, and offer them again.

    Parameters
    ----------
    config
        ``row_words`` bounds a row.

    Members
    -------
    i : In(stream of marked words)
        Rows; all that are inside together mark the same lanes of their last word, and every lane of
        the others.
    once : Out(stream of marked words)
        The same words.
    again : Out(stream of marked words)
        The same words, later.

    Timing
    ------
    `again` follows ``RowBuffer.LATENCY + 1`` cycles after `once`, which has latency 0 and
    combinational paths from `i` and back. A row and ``SLACK`` words more fit between them.
    """

    i: stream.Interface
    once: stream.Interface
    again: stream.Interface

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        marked = stream.Signature(marked_layout(config, 8))
        super().__init__({"i": In(marked), "once": Out(marked), "again": Out(marked)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = data.StructLayout({"lanes": word_layout(self.config), "last": 1})
        m.submodules.words = words = RowBuffer(layout, self.config.row_words + SLACK)
        m.submodules.room = room = Credits(words.depth)
        tail = Signal(self.config.rows)  # marks of the last word of a row
        taken = Signal()
        m.d.comb += [
            self.once.payload.eq(self.i.payload),
            self.once.valid.eq(self.i.valid & room.free),
            self.i.ready.eq(self.once.ready & room.free),
            taken.eq(self.i.valid & self.i.ready),
            room.take.eq(taken),
            # `taken` comes late, and RAMs are far.
            words.i.p.lanes.eq(delayed(m, self.i.p.lanes, 1, "lanes")),
            words.i.p.last.eq(delayed(m, self.i.p.last, 1, "last")),
            words.i.valid.eq(delayed(m, taken, 1, "stored", reset_less=False)),
            self.again.p.lanes.eq(words.o.p.lanes),
            self.again.p.mask.eq(Mux(words.o.p.last, tail, ~0)),
            self.again.p.last.eq(words.o.p.last),
            self.again.valid.eq(words.o.valid),
            words.o.ready.eq(self.again.ready),
            room.give.eq(self.again.valid & self.again.ready),
        ]
        with m.If(taken & self.i.p.last):
            m.d.sync += tail.eq(self.i.p.mask)
        return m
