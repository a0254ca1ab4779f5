"""Data path of POST: from a row of accumulators to an output word."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.lane_table import LaneTable
from vitaccel.hw.parts import link_first_part, part_config
from vitaccel.hw.ports import DRAIN_LATENCY, WritePort, word_layout
from vitaccel.hw.post.post_tiles import settings_layout
from vitaccel.hw.post.requant import Requant, requant_latency
from vitaccel.hw.post.tile_params import TileParams, params_layout
from vitaccel.hw.primitives.pipe import delayed

__all__ = ["PostPipe", "beat_layout", "columns_layout", "pipe_latency"]


def columns_layout(config: AcceleratorConfig) -> data.ArrayLayout:
    """Accumulators of one row, all columns."""
    return data.ArrayLayout(signed(config.accumulator_bits), config.columns)


def beat_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What makes a part of an output word, but for its accumulators and parameters."""
    return data.StructLayout({
        "part": range(config.post_cycles),
        "residual": word_layout(part_config(config, config.post_cycles)),
        "settings": settings_layout(config),
    })


def gather_latency(config: AcceleratorConfig) -> int:
    """Cycles until the accumulators of a beat have been gathered: its part, its groups, pairs."""
    return DRAIN_LATENCY + _part_latency(config) + (2 if config.packed else 1)


def _part_latency(config: AcceleratorConfig) -> int:
    return int(config.post_cycles > 1)


def pipe_latency(config: AcceleratorConfig) -> int:
    """Cycles from a beat to its part of a word."""
    return gather_latency(config) + requant_latency(config) + LaneTable.LATENCY + 1


class PostPipe(wiring.Component):
    """Choose each lane's group, requantise, look up.

    Parameters
    ----------
    config
        Lanes, columns, tables, ``post_cycles``.

    Members
    -------
    i : In(beat_layout)
        One beat per cycle; ``use_table`` 0 in cycles without one, or writes to the tables wait.
    columns : In(array of all columns)
        Row that belongs to the beat of ``DRAIN_LATENCY`` cycles ago. Lane l of its word takes
        column ``select * R + l``, or with `wide` that plus 16 times column ``(select + 1) * R + l``
        (select even), which must fit ``accumulator_bits``.
    params : In(array of post_lanes lanes of params_layout)
        Parameters of the beat of ``DRAIN_LATENCY`` cycles ago.
    o : Out(array of post_lanes lanes of unsigned(8))
        The part of the beat of `pipe_latency` cycles ago.
    table : In(WritePort)
        Into the tables, see `LaneTable`: waits for a cycle in which no beat looks anything up. Not
        to be written while a beat that uses the same table is under way.

    Timing
    ------
    Latency `pipe_latency` cycles, one part of a word per cycle, never stalls.
    """

    i: data.View
    columns: data.View
    params: data.View
    o: data.View
    table: stream.Interface

    def __init__(self, config: AcceleratorConfig) -> None:
        assert TileParams.LATENCY == DRAIN_LATENCY
        self.config = config
        self.part = part_config(config, config.post_cycles)
        super().__init__({
            "i": In(beat_layout(config)),
            "columns": In(columns_layout(config)),
            "params": In(data.ArrayLayout(params_layout(config), config.post_lanes)),
            "o": Out(word_layout(self.part)),
            "table": In(WritePort(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.requant = requant = Requant(self.part)

        gather = gather_latency(config)
        settings = delayed(m, self.i.settings, gather, "settings")
        added = Mux(self.i.settings.use_residual, self.i.residual.as_value(), 0)
        residual = word_layout(self.part)(delayed(m, added, gather, "residual"))
        part = delayed(m, self.i.part, DRAIN_LATENCY, "part")
        grouped = DRAIN_LATENCY + _part_latency(config)
        wide = delayed(m, self.i.settings.wide, grouped + 1, "wide")
        slots: list[Value] = []  # of the lane's table, from the command's on
        for r, lane in enumerate(requant.i.lanes):
            fields = delayed(m, self.params[r], _part_latency(config), f"params_{r}")
            later = delayed(m, fields, gather - grouped, f"fields_{r}")
            slots.append(later.slot if config.hybrid else Const(0))
            columns = self._choose_part(m, r, part)
            m.d.comb += [
                lane.acc.eq(self._gather(m, r, columns, fields.select, wide)),
                lane.bias.eq(later.bias),
                lane.mul.eq(later.mul),
                lane.residual.eq(residual[r]),
                lane.residual_mul.eq(later.residual_mul),
            ]
        m.d.comb += [
            requant.i[name].eq(settings[name])
            for name in ("pre_shift", "post_shift", "zero_point", "low", "high")
        ]
        if config.hybrid:
            m.d.comb += requant.i.division.eq(settings.division)
        self._look_up(m, settings, requant.o, slots)
        return m

    def _choose_part(self, m: Module, r: int, part: Value) -> list:
        """Lane r of a part, of every group."""
        config = self.config
        lanes = range(r, config.rows, config.post_lanes)  # of words, by part
        groups = [[self.columns[g * config.rows + n] for n in lanes] for g in range(config.groups)]
        if config.post_cycles == 1:
            return [column for (column,) in groups]
        chosen = []
        for g, columns in enumerate(groups):
            column = Signal.like(columns[0], name=f"column_{g}_{r}", reset_less=True)
            m.d.sync += column.eq(_choose(columns, part))
            chosen.append(column)
        return chosen

    def _gather(self, m: Module, r: int, columns: list, select: Value, wide: Value) -> Signal:
        """Take group ``select`` of ``columns``, or a packed pair of groups."""
        config = self.config
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

    def _look_up(self, m: Module, settings: data.View, y: data.View, slots: list[Value]) -> None:
        m.submodules.tables = tables = LaneTable(self.part, self.config.table_slots, 1)
        link_first_part(m, self.table, tables.write)
        latency = requant_latency(self.config)
        slot = delayed(m, settings.table, latency, "slot")
        soon = delayed(m, settings.use_table, latency - 1, "soon")
        use = delayed(m, soon, 1 + LaneTable.LATENCY, "use_table")
        plain = delayed(m, y, LaneTable.LATENCY, "plain")
        m.d.comb += [tables.hold.eq(soon), tables.index.eq(y)]
        for r, own in enumerate(slots):
            place = slot + delayed(m, own, latency, f"slot_{r}") if self.config.hybrid else slot
            m.d.comb += tables.slot[r].eq(place)
        m.d.sync += self.o.eq(Mux(use, Value.cast(tables.data), Value.cast(plain)))


def _choose(values: list, index: Value) -> Value:
    """Element ``index``; further bits of it are ignored."""
    if len(values) == 1:
        return values[0]
    chosen = data.ArrayLayout(values[0].shape(), len(values))(Cat(values))
    return chosen[index[: ceil_log2(len(values))]]
