"""Marks of the lanes of a row that count."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.fetch import fetched_layout

__all__ = ["Marker", "marked_layout"]


def marked_layout(config: AcceleratorConfig, lane: ShapeLike) -> data.StructLayout:
    """R lanes, which of them belong to the row, and whether the row ends here."""
    return data.StructLayout({
        "lanes": data.ArrayLayout(lane, config.rows),
        "mask": config.rows,
        "last": 1,
    })


class Marker(wiring.Component):
    """Mask the lanes of each row past ``length`` elements.

    Parameters
    ----------
    config
        Sets the lanes of a word.

    Members
    -------
    length : In(16)
        Elements of a row, >= 1; may change only between rows.
    i : In(stream of fetched_layout)
        Words; the tag marks the last one of a row.
    o : Out(stream of marked_layout)
        The same words.

    Timing
    ------
    Latency 0; combinational paths from `i` to `o` and back.
    """

    length: Signal
    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "length": In(16),
            "i": In(stream.Signature(fetched_layout(config, 1))),
            "o": Out(stream.Signature(marked_layout(config, unsigned(8)))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = self.config.rows
        first = Signal(init=1)
        rest = Signal(16)  # elements left, if this is not the first word
        left = Signal(16)
        m.d.comb += [
            left.eq(Mux(first, self.length, rest)),
            self.o.p.lanes.eq(self.i.p.data),
            self.o.p.mask.eq(Cat(left > r for r in range(rows))),
            self.o.p.last.eq(self.i.p.tag),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                first.eq(self.o.p.last),
                rest.eq(Mux(left > rows, left - rows, 0)),
            ]
        return m
