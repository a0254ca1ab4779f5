"""Transposes R x R blocks of bytes on their way into the array."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import word_layout

__all__ = ["Transposer"]


class Transposer(wiring.Component):
    """Turn R consecutive words into R words of the same lane, skewed for the array.

    Word k of a block is row k of the array: its lanes must enter there one after the other, a
    cycle later than in the row above. So row k is a shift register that takes word k as it arrives
    and shifts a lane out in every cycle; the last one leaves as word k of the next block arrives.

    Parameters
    ----------
    config
        Sets R.

    Members
    -------
    i : In(word)
        Words of a block in R consecutive cycles.
    start : In(1)
        This word is the first of a block; at least R cycles after the previous one.
    o : Out(word)
        Lane r is ``block[r][n]`` in cycle ``LATENCY + n + r`` after `start`.

    Timing
    ------
    Latency as `Skew`; one word per cycle in and out, blocks back to back; never stalls.
    """

    i: data.View
    start: Signal
    o: data.View

    LATENCY = 1

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "i": In(word_layout(config)),
            "start": In(1),
            "o": Out(word_layout(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        load = self.start
        for row in range(self.config.rows):
            lanes = Signal(word_layout(self.config), name=f"lanes_{row}", reset_less=True)
            m.d.sync += lanes.eq(lanes.as_value()[8:])
            with m.If(load):
                m.d.sync += lanes.eq(self.i)
            m.d.comb += self.o[row].eq(lanes[0])
            loaded = Signal(name=f"loaded_{row}")
            m.d.sync += loaded.eq(load)
            load = loaded
        return m
