"""Weight-stationary systolic array: all physical columns side by side."""

from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.column import (
    Column,
    PackedColumn,
    UniformColumn,
    control_layout,
    lanes_layout,
    physical_columns,
    sums_layout,
)
from vitaccel.hw.mxu.pot_column import PotColumn
from vitaccel.hw.ports import word_layout
from vitaccel.hw.shared import Shared

__all__ = ["Array", "columns_of"]


def columns_of(config: AcceleratorConfig, physical: int) -> list[int]:
    """Columns (of sums) that a physical column serves: low and high nibble if packed."""
    n_wide = config.wide_groups * config.rows
    if physical >= n_wide:
        return [physical - n_wide + config.uniform_groups * config.rows]
    if not config.packed:
        return [physical]
    group, lane = divmod(physical, config.rows)
    low = 2 * group * config.rows + lane
    return [low, low + config.rows]


class Array(wiring.Component):
    """R rows of elements; sums of a beat leave column by column.

    Parameters
    ----------
    config
        Sizes and kinds of columns.

    Members
    -------
    lanes, words, control : In
        For the first column, see `Column`.
    sums : Out(array of signed(accumulator_bits))
        Of every column, physical column c being c cycles late.

    Timing
    ------
    Sums of physical column c: ``rows + Column.LATENCY + c`` cycles after lane 0 of their beat.
    """

    lanes: data.View
    words: data.View
    control: data.View
    sums: data.View

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "lanes": In(lanes_layout(config)),
            "words": In(word_layout(config)),
            "control": In(control_layout(config)),
            "sums": Out(sums_layout(config, config.columns)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, words, control = self.lanes, self.words, self.control
        for index in range(physical_columns(self.config)):
            column = self._column(index)
            m.submodules[f"column_{index}"] = Shared(column)
            m.d.comb += [
                column.index.eq(index),
                column.lanes.eq(lanes),
                column.words.eq(words),
                column.control.eq(control),
            ]
            lanes, words, control = column.lanes_next, column.words_next, column.control_next
            for n, logical in enumerate(columns_of(self.config, index)):
                m.d.comb += self.sums[logical].eq(column.sums[n])
        return m

    def _column(self, index: int) -> Column:
        n_wide = self.config.wide_groups * self.config.rows
        if index >= n_wide:
            return PotColumn(self.config, odd=(index - n_wide) % 2 == 1)
        return (PackedColumn if self.config.packed else UniformColumn)(self.config)
