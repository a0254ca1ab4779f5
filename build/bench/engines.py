"""What is measured beside matrix engines of others: an array with its accumulators."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.accumulators import Accumulators, beat_layout
from vitaccel.hw.mxu.array import Array
from vitaccel.hw.mxu.column import Column, control_layout, lanes_layout
from vitaccel.hw.mxu.pot_column import PotColumn
from vitaccel.hw.mxu.skew import Skew
from vitaccel.hw.ports import DrainPort, word_layout

__all__ = ["Engine", "PotArray"]


class PotArray(Array):
    """An array with power-of-two columns in all places."""

    def _column(self, index: int) -> Column:
        return PotColumn(self.config, odd=index % 2 == 1)


class Engine(wiring.Component):
    """Array, skews and accumulators: `Mxu` without its addresses and the transposer.

    Parameters
    ----------
    array
        Takes lanes and stationary words.

    Members
    -------
    lanes, words, control : In
        Streamed and stationary word, control of the row above, see `Column`.
    beat : In(beat_layout)
        Where the sums of the streamed word go.
    claim, free, drain
        As those of `Accumulators`.
    """

    lanes: data.View
    words: data.View
    control: data.View
    beat: data.View
    claim: Signal
    free: Signal
    drain: Any

    def __init__(self, array: Array) -> None:
        self.array = array
        config: AcceleratorConfig = array.config
        super().__init__({
            "lanes": In(lanes_layout(config)),
            "words": In(word_layout(config)),
            "control": In(control_layout(config)),
            "beat": In(beat_layout(config)),
            "claim": In(1),
            "free": Out(1),
            "drain": In(DrainPort(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.array = array = self.array
        m.submodules.accumulators = accumulators = Accumulators(array.config)
        m.submodules.lanes = lanes = Skew(lanes_layout(array.config))
        m.submodules.words = words = Skew(word_layout(array.config))
        wiring.connect(m, accumulators.drain, wiring.flipped(self.drain))
        m.d.sync += array.control.eq(self.control)
        m.d.comb += [
            lanes.i.eq(self.lanes),
            words.i.eq(self.words),
            array.lanes.eq(lanes.o),
            array.words.eq(words.o),
            accumulators.beat.eq(self.beat),
            accumulators.claim.eq(self.claim),
            accumulators.sums.eq(array.sums),
            self.free.eq(accumulators.free),
        ]
        return m
