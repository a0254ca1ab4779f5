"""Words in parts on their way into VECTOR's operators, and whole again behind them."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.parts import part_config, part_of
from vitaccel.hw.ports import WritePort, word_layout
from vitaccel.hw.primitives.times import times
from vitaccel.hw.vector.marker import marked_layout

__all__ = ["Join", "Split", "SplitWrites"]


class Split(wiring.Component):
    """Offer marked words in ``vector_cycles`` parts, first lanes first.

    Members
    -------
    i : In(stream of marked words)
        Words.
    o : Out(stream of marked parts)
        ``last`` is set with the last part of the last word.

    Timing
    ------
    Latency 0; one part per cycle; combinational paths from `i` to `o` and back.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        parts = part_config(config, config.vector_cycles)
        super().__init__({
            "i": In(stream.Signature(marked_layout(config, 8))),
            "o": Out(stream.Signature(marked_layout(parts, 8))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        cycles = self.config.vector_cycles
        part, final = _count(m, cycles, self.o.valid & self.o.ready)
        mask = data.View(data.ArrayLayout(1, self.config.rows), self.i.p.mask)
        m.d.comb += [
            self.o.p.lanes.eq(part_of(self.i.p.lanes, part, cycles)),
            self.o.p.mask.eq(part_of(mask, part, cycles)),
            self.o.p.last.eq(self.i.p.last & final),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & final),
        ]
        return m


class Join(wiring.Component):
    """Put ``vector_cycles`` parts together again.

    Members
    -------
    i : In(stream of parts)
        Parts, first lanes first.
    o : Out(stream of words)
        Words.

    Timing
    ------
    Latency 0 from the last part; combinational paths from `i` to `o` and back.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        parts = part_config(config, config.vector_cycles)
        super().__init__({
            "i": In(stream.Signature(word_layout(parts))),
            "o": Out(stream.Signature(word_layout(config))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        taken = self.i.valid & self.i.ready
        _, final = _count(m, self.config.vector_cycles, taken)
        lanes = Value.cast(self.i.p)
        former = Signal(len(lanes) * (self.config.vector_cycles - 1), reset_less=True)
        with m.If(taken):
            m.d.sync += former.eq(Cat(former, lanes)[len(lanes) :])
        m.d.comb += [
            self.o.payload.eq(Cat(former, lanes)),
            self.o.valid.eq(self.i.valid & final),
            self.i.ready.eq(self.o.ready | ~final),
        ]
        return m


class SplitWrites(wiring.Component):
    """Write words of parameters part by part.

    Parameters
    ----------
    config
        Sets the lanes of a word.
    cycles
        Its parts.

    Members
    -------
    i : In(WritePort)
        Planes of words, at ``word << PLANE_BITS | plane``.
    o : Out(WritePort of parts)
        The same planes of ``cycles`` times as many words.

    Timing
    ------
    Latency 0; combinational paths from `i` to `o` and back.
    """

    i: stream.Interface
    o: stream.Interface

    PLANE_BITS = 3

    def __init__(self, config: AcceleratorConfig, cycles: int) -> None:
        self.config = config
        self.cycles = cycles
        parts = part_config(config, cycles)
        super().__init__({"i": In(WritePort(config)), "o": Out(WritePort(parts))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        cycles = self.cycles
        part, final = _count(m, cycles, self.o.valid & self.o.ready)
        address = self.i.p.address
        word = times(address[self.PLANE_BITS :], cycles) + part
        m.d.comb += [
            self.o.p.address.eq(Cat(address[: self.PLANE_BITS], word)),
            self.o.p.data.eq(part_of(self.i.p.data, part, cycles)),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & final),
        ]
        return m


def _count(m: Module, cycles: int, moves: Value) -> tuple[Signal, Value]:
    """Part whose turn it is, and whether it is the last of its word."""
    part = Signal(range(cycles))
    final = part == cycles - 1
    with m.If(moves):
        m.d.sync += part.eq(Mux(final, 0, part + 1))
    return part, final
