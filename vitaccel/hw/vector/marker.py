"""Marks of the lanes of a row that count."""

from amaranth import Cat, Module, Mux, Signal, Value, unsigned
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
        Elements of a row, >= 1; may change only between rows, and not in the cycle before one.
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

        def mask_and_rest(left: Value) -> tuple[Value, Value]:
            """Marks of a word with ``left`` elements from it on, and those behind it."""
            return Cat(left > r for r in range(rows)), Mux(left > rows, left - rows, 0)[:16]

        # Of the first word of a row and of the present other one, found one word ahead.
        first = Signal(init=1)
        first_mask, mask = Signal(rows, reset_less=True), Signal(rows, reset_less=True)
        first_rest, rest = Signal(16, reset_less=True), Signal(16, reset_less=True)
        m.d.sync += Cat(first_mask, first_rest).eq(Cat(*mask_and_rest(self.length)))
        m.d.comb += [
            self.o.p.lanes.eq(self.i.p.data),
            self.o.p.mask.eq(Mux(first, first_mask, mask)),
            self.o.p.last.eq(self.i.p.tag),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        with m.If(self.o.valid & self.o.ready):
            left = Mux(first, first_rest, rest)
            m.d.sync += [
                first.eq(self.o.p.last),
                Cat(mask, rest).eq(Cat(*mask_and_rest(left))),
            ]
        return m
