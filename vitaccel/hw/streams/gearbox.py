"""Repacks a stream of fixed-size words into words of another size."""

from amaranth import Assert, Assume, Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

__all__ = ["Gearbox", "packed_layout"]


def packed_layout(width: int, granules: int, most: int) -> data.StructLayout:
    """Word of ``granules`` with the number of granules (1 to ``most``) it stands for."""
    return data.StructLayout({
        "data": data.ArrayLayout(unsigned(width), granules),
        "count": range(most + 1),
    })


class Gearbox(wiring.Component):
    """Turn words of `inputs` granules into words of `outputs` granules, first granule first.

    An input word contributes its first ``count`` granules, followed by zeros if ``count`` exceeds
    `inputs`. So a row may end inside an input word (smaller count) or be padded to the end of an
    output word (larger count), and the next row follows without a gap.

    Parameters
    ----------
    width
        Bits of a granule: the greatest common divisor of both word sizes.
    inputs, outputs
        Granules per word.
    most
        Largest ``count``.

    Members
    -------
    i : In(stream of packed_layout)
        Granules from ``count`` on must be zero.
    o : Out(stream of ArrayLayout(width, outputs))
        Offered as soon as it is full.

    Timing
    ------
    Latency 1 cycle. A word per cycle on the side that limits (padding apart). `o` and ``i.ready``
    depend on registers alone.
    """

    i: stream.Interface
    o: stream.Interface

    LATENCY = 1

    def __init__(self, width: int, inputs: int, outputs: int, most: int) -> None:
        self.width = width
        self.inputs = inputs
        self.outputs = outputs
        self.most = most
        # Up to this level a word is taken; enough to offer a word next cycle whatever happens.
        self.enough = outputs + min(inputs, outputs) - 1
        super().__init__({
            "i": In(stream.Signature(packed_layout(width, inputs, most))),
            "o": Out(stream.Signature(data.ArrayLayout(unsigned(width), outputs))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        places = self.enough + self.most
        held = Signal(data.ArrayLayout(unsigned(self.width), places))  # zero from `level` on
        level = Signal(range(places + 1))
        kept = Signal.like(level)  # after what leaves in this cycle
        leaves = Signal()
        enters = Signal()
        m.d.comb += [
            self.o.valid.eq(level >= self.outputs),
            self.o.payload.as_value().eq(held.as_value()),
            self.i.ready.eq(level <= self.enough),
            leaves.eq(self.o.valid & self.o.ready),
            enters.eq(self.i.valid & self.i.ready),
            kept.eq(Mux(leaves, level - self.outputs, level)),
        ]
        # Bit by bit, so that the shift amount is in granules.
        place = kept[: bits_for(self.enough)]  # no more is held when a word enters
        moved = [Cat(word[bit] for word in self.i.p.data) << place for bit in range(self.width)]
        m.d.sync += level.eq(kept + Mux(enters, self.i.p.count, 0))
        for n in range(places):
            following = held[n + self.outputs] if n + self.outputs < places else 0
            arriving = Cat(lane[n] if n < len(lane) else 0 for lane in moved)
            m.d.sync += held[n].eq(Mux(leaves, following, held[n]) | Mux(enters, arriving, 0))
        if platform == "formal":
            self._state(m, held, level)
        return m

    def _state(self, m: Module, held: data.View, level: Value) -> None:
        """Given legal words, no place is lost or written twice: all beyond `level` are zero."""
        count, data = self.i.p.count, self.i.p.data
        m.d.comb += [
            Assume((count != 0) & (count <= self.most), "count out of range"),
            *(Assume((n < count) | (data[n] == 0), "not zero") for n in range(self.inputs)),
            Assert(level <= len(held), "overflow"),
            *(Assert((n < level) | (held[n] == 0), "not empty") for n in range(len(held))),
        ]
