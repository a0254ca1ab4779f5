"""The last rows of an image, column by column."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.depthwise.window_walk import step_layout
from vitaccel.hw.ports import word_layout
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared
from vitaccel.windows import KERNELS

__all__ = ["LineBuffer"]

ROWS = KERNELS[-1]


class LineBuffer(wiring.Component):
    """Memory of a column per word: the last `ROWS` pixels of each, that of the lowest row first.

    A fresh pixel pushes the others of its column on; so every row of the kernel finds its pixels
    in a fixed place, whatever row of the image they are.

    Parameters
    ----------
    config
        Lanes, ``depthwise_width``, ``depthwise_taps``.

    Members
    -------
    step : In(step_layout)
        What to do; a column written by one step is not read by the two after it.
    go : In(1)
        Do it.
    word : In(word)
        The pixel of a ``fresh`` step.
    o : Out(array of depthwise_taps words)
        Pixels of the step of `LATENCY` cycles ago: those ``group * depthwise_taps`` rows above the
        lowest and on upwards; 0 for rows that the memory lacks.

    Timing
    ------
    Latency `LATENCY` cycles; a step per cycle; never stalls.
    """

    step: data.View
    go: Signal
    word: data.View
    o: data.View

    LATENCY = 3

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "step": In(step_layout(config)),
            "go": In(1),
            "word": In(word_layout(config)),
            "o": Out(data.ArrayLayout(word_layout(config), config.depthwise_taps)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size = word_layout(self.config).size
        columns = BlockRam(unsigned(ROWS * size), self.config.depthwise_width)
        m.submodules.columns = Shared(columns)

        address = delayed(m, self.step.column, 1, "column")
        filled = delayed(m, address, 2, "filled")
        fresh = delayed(m, self.step.fresh, 2, "fresh")
        reads = delayed(m, self.step.reads, 2, "reads")
        writes = delayed(m, self.go & self.step.fresh, 3, "writes", reset_less=False)
        word = delayed(m, self.word.as_value(), 2, "word")
        found = Signal(ROWS * size)
        m.d.comb += [columns.read_address.eq(address), found.eq(columns.read_data)]
        column = Signal(ROWS * size, reset_less=True)
        with m.If(reads):
            m.d.sync += column.eq(Mux(fresh, Cat(word, found), found))
        m.d.comb += [
            columns.write.eq(writes),
            columns.write_address.eq(filled),
            columns.write_data.eq(column),
        ]

        group = delayed(m, self.step.group, 3, "group")
        taps = self.config.depthwise_taps
        with m.Switch(group):
            for first in range(0, ROWS, taps):
                with m.Case(first // taps):
                    m.d.comb += self.o.eq(column[first * size : (first + taps) * size])
        return m
