"""From sums of windows to words: requantised part by part, looked up, put together again."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.lane_table import LaneTable
from vitaccel.hw.memory.plane_memory import PlaneMemory
from vitaccel.hw.parts import link_first_part, part_config
from vitaccel.hw.ports import WritePort, word_layout
from vitaccel.hw.post.requant import Requant, requant_latency
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.vector.parts import SplitWrites
from vitaccel.windows import sum_bits

__all__ = ["Results", "results_latency", "scaling_layout"]

MUL_PLANE, SLOT_PLANE = 4, 6


def scaling_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What all lanes share."""
    return data.StructLayout({
        "pre_shift": 4,
        "post_shift": 6,
        "zero_point": signed(8),
        "low": signed(9),
        "high": signed(9),
        "use_table": 1,
        "table": range(config.table_slots),
    })


def _part_config(config: AcceleratorConfig) -> AcceleratorConfig:
    """What shapes the requantisation of a part of a word."""
    part = part_config(config, config.depthwise_cycles)
    products = config.depthwise_products
    changes = {"accumulator_bits": sum_bits(config), "post_products": products, "hybrid": False}
    return part.model_copy(update=changes)


def results_latency(config: AcceleratorConfig) -> int:
    """Cycles from ``begin`` to the word."""
    scaled = PlaneMemory.LATENCY + requant_latency(_part_config(config))
    return scaled + LaneTable.LATENCY + config.depthwise_cycles


class Results(wiring.Component):
    """Requantise R sums, ``depthwise_lanes`` at a time.

    Parameters
    ----------
    config
        Lanes, ``depthwise_words``, ``depthwise_cycles``, ``depthwise_products``, ``requant``,
        ``table_slots``.

    Members
    -------
    begin : In(1)
        Sums are there in the next cycle; not again within ``depthwise_cycles`` cycles.
    param : In(range(words * depthwise_cycles))
        First part of their channel word, with ``begin``.
    sums : In(array of R lanes of signed(sum_bits))
        One cycle after ``begin``.
    scaling : In(scaling_layout)
        Constant while there is something under way.
    write, table : In(WritePort)
        DEPTHWISE_PARAM and TABLE of `isa.Space`. A table waits for a cycle in which nothing is
        looked up. Not to be written while they are in use.
    o : Out(word)
        The word that began `results_latency` cycles ago.

    Timing
    ------
    Latency `results_latency` cycles; never stalls.

    Numerics
    --------
    As `Requant`; then, with ``use_table``, ``table[table + slot[channel]][y]``.
    """

    begin: Signal
    param: Signal
    sums: data.View
    scaling: data.View
    write: stream.Interface
    table: stream.Interface
    o: data.View

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.part = _part_config(config)
        super().__init__({
            "begin": In(1),
            "param": In(range(config.depthwise_words * config.depthwise_cycles)),
            "sums": In(data.ArrayLayout(signed(sum_bits(config)), config.rows)),
            "scaling": In(scaling_layout(config)),
            "write": In(WritePort(config)),
            "table": In(WritePort(config)),
            "o": Out(word_layout(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        params = [*self._params(m)]
        m.submodules.requant = requant = Requant(self.part, residual=False)
        size = self.sums.as_value().shape().width // self.config.depthwise_cycles
        sums = self.sums.as_value()
        held = Signal(len(sums), reset_less=True)
        m.d.sync += held.eq(Mux(delayed(m, self.begin, 1, "begin"), sums, held >> size))
        bits = sum_bits(self.config)
        for r, param in enumerate(params):
            lane = requant.i.lanes[r]
            m.d.comb += [
                lane.acc.eq(held.word_select(r, bits).as_signed()),
                lane.bias.eq(param[:32]),
                lane.mul.eq(param[8 * MUL_PLANE : 8 * SLOT_PLANE]),
            ]
        m.d.comb += [
            requant.i[name].eq(self.scaling[name])
            for name in ("pre_shift", "post_shift", "zero_point", "low", "high")
        ]
        self._look_up(m, requant.o, [param[8 * SLOT_PLANE :] for param in params])
        return m

    def _params(self, m: Module) -> data.View:
        """Parameters of part n of a word, ``n + LATENCY`` cycles after it began."""
        config = self.config
        slot_bits = ceil_log2(config.table_slots)
        depth = config.depthwise_words * config.depthwise_cycles
        m.submodules.split = split = SplitWrites(config, config.depthwise_cycles)
        m.submodules.params = params = PlaneMemory(self.part, depth, 8 * SLOT_PLANE + slot_bits)
        wiring.connect(m, wiring.flipped(self.write), split.i)
        following = Signal.like(self.param)
        m.d.sync += following.eq(params.address + 1)
        m.d.comb += [
            params.write.valid.eq(split.o.valid),
            params.write.payload.eq(split.o.payload),
            split.o.ready.eq(params.write.ready),
            params.address.eq(Mux(self.begin, self.param, following)),
        ]
        return params.data

    def _look_up(self, m: Module, y: data.View, slots: list[Value]) -> None:
        config = self.config
        m.submodules.tables = tables = LaneTable(self.part, config.table_slots, 1)
        link_first_part(m, self.table, tables.write)
        scaled = PlaneMemory.LATENCY + requant_latency(self.part)
        begun = self.begin & self.scaling.use_table
        first = delayed(m, begun, scaled - 1, "begun", reset_less=False)
        parts = [
            delayed(m, first, n, f"part_{n}", reset_less=False)
            for n in range(config.depthwise_cycles)
        ]
        m.d.comb += [tables.hold.eq(Cat(parts).any()), tables.index.eq(y)]
        for r, slot in enumerate(slots):
            place = Signal.like(tables.slot[r], name=f"slot_{r}", reset_less=True)
            m.d.sync += place.eq(self.scaling.table + slot)
            late = delayed(m, place, requant_latency(self.part) - 1, f"slot_{r}")
            m.d.comb += tables.slot[r].eq(late)
        plain = delayed(m, y, LaneTable.LATENCY, "plain")
        part = Mux(self.scaling.use_table, Value.cast(tables.data), Value.cast(plain))
        word = Signal(word_layout(config).size, reset_less=True)
        m.d.sync += word.eq(Cat(word, part)[len(part) :])
        m.d.comb += self.o.eq(word)
