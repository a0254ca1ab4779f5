"""Data path of POST: from a row of accumulators to an output word."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.lane_table import LaneTable
from vitaccel.hw.ports import DRAIN_LATENCY, WritePort, word_layout
from vitaccel.hw.post.post_tiles import settings_layout
from vitaccel.hw.post.requant import Requant
from vitaccel.hw.post.tile_params import TileParams, params_layout
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.streams.stream import link

__all__ = ["PostPipe", "beat_layout", "columns_layout", "pipe_latency"]


def columns_layout(config: AcceleratorConfig) -> data.ArrayLayout:
    """Accumulators of one row, all columns."""
    return data.ArrayLayout(signed(config.accumulator_bits), config.columns)


def beat_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What makes one output word, but for its accumulators and parameters."""
    return data.StructLayout({
        "residual": word_layout(config),
        "settings": settings_layout(config),
    })


def gather_latency(config: AcceleratorConfig) -> int:
    """Cycles until the accumulators of a beat have been gathered; pairs take one more."""
    return DRAIN_LATENCY + (2 if config.packed else 1)


def pipe_latency(config: AcceleratorConfig) -> int:
    """Cycles from a beat to its word."""
    return gather_latency(config) + Requant.LATENCY + LaneTable.LATENCY + 1


class PostPipe(wiring.Component):
    """Choose each lane's group, requantise, look up.

    Parameters
    ----------
    config
        Lanes, columns, tables.

    Members
    -------
    i : In(beat_layout)
        One beat per cycle; ``use_table`` 0 in cycles without one, or writes to the tables wait.
    columns : In(array of all columns)
        Row that belongs to the beat of ``DRAIN_LATENCY`` cycles ago. Lane l takes column
        ``select * R + l``, or with `wide` that plus 16 times column ``(select + 1) * R + l``
        (select even), which must fit ``accumulator_bits``.
    params : In(array of R lanes of params_layout)
        Parameters of the beat of ``DRAIN_LATENCY`` cycles ago.
    o : Out(word)
        The word of the beat of `pipe_latency` cycles ago.
    table : In(WritePort)
        Into the tables, see `LaneTable`: waits for a cycle in which no beat looks anything up. Not
        to be written while a beat that uses the same table is under way.

    Timing
    ------
    Latency `pipe_latency` cycles, one word per cycle, never stalls.
    """

    i: data.View
    columns: data.View
    params: data.View
    o: data.View
    table: stream.Interface

    def __init__(self, config: AcceleratorConfig) -> None:
        assert TileParams.LATENCY == DRAIN_LATENCY
        self.config = config
        super().__init__({
            "i": In(beat_layout(config)),
            "columns": In(columns_layout(config)),
            "params": In(data.ArrayLayout(params_layout(config), config.rows)),
            "o": Out(word_layout(config)),
            "table": In(WritePort(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.requant = requant = Requant(config)

        gather = gather_latency(config)
        settings = delayed(m, self.i.settings, gather, "settings")
        added = Mux(self.i.settings.use_residual, self.i.residual.as_value(), 0)
        residual = word_layout(config)(delayed(m, added, gather, "residual"))
        wide = delayed(m, self.i.settings.wide, DRAIN_LATENCY + 1, "wide")
        for r, lane in enumerate(requant.i.lanes):
            fields = self.params[r]
            later = delayed(m, fields, gather - DRAIN_LATENCY, f"params_{r}")
            m.d.comb += [
                lane.acc.eq(self._gather(m, r, fields.select, wide)),
                lane.bias.eq(later.bias),
                lane.mul.eq(later.mul),
                lane.residual.eq(residual[r]),
                lane.residual_mul.eq(later.residual_mul),
            ]
        m.d.comb += [
            requant.i[name].eq(settings[name])
            for name in ("pre_shift", "post_shift", "zero_point", "low", "high")
        ]
        self._look_up(m, settings, requant.o)
        return m

    def _gather(self, m: Module, r: int, select: Value, wide: Value) -> Signal:
        """Take lane r of group ``select``, or of a packed pair of groups."""
        config = self.config
        columns = [self.columns[g * config.rows + r] for g in range(config.groups)]
        low = Signal(signed(config.accumulator_bits), name=f"low_{r}", reset_less=True)
        m.d.sync += low.eq(_choose(columns, select))
        if not config.packed:
            return low
        high = Signal.like(low, name=f"high_{r}")
        acc = Signal.like(low, name=f"acc_{r}")
        m.d.sync += [
            high.eq(_choose(columns[1 : config.uniform_groups : 2], select[1:])),
            acc.eq(low + (Mux(wide, high, 0) << 4)),
        ]
        return acc

    def _look_up(self, m: Module, settings: data.View, y: data.View) -> None:
        m.submodules.tables = tables = LaneTable(self.config, self.config.table_slots, 1)
        link(m, wiring.flipped(self.table), tables.write)
        slot = delayed(m, settings.table, Requant.LATENCY, "slot")
        soon = delayed(m, settings.use_table, Requant.LATENCY - 1, "soon")
        use = delayed(m, soon, 1 + LaneTable.LATENCY, "use_table")
        plain = delayed(m, y, LaneTable.LATENCY, "plain")
        m.d.comb += [tables.hold.eq(soon), tables.slot.eq(slot), tables.index.eq(y)]
        m.d.sync += self.o.eq(Mux(use, Value.cast(tables.data), Value.cast(plain)))


def _choose(values: list, index: Value) -> Value:
    """Element ``index``; further bits of it are ignored."""
    if len(values) == 1:
        return values[0]
    chosen = data.ArrayLayout(values[0].shape(), len(values))(Cat(values))
    return chosen[index[: ceil_log2(len(values))]]
