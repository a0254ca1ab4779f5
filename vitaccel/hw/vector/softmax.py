"""Softmax on streams of rows."""

from typing import Any

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.lane_table import LaneTable
from vitaccel.hw.ports import WritePort, command_layout, word_layout
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.streams.credits import Credits
from vitaccel.hw.streams.queue import Queue
from vitaccel.hw.streams.row_buffer import RowBuffer
from vitaccel.hw.vector.marker import marked_layout
from vitaccel.hw.vector.probability import (
    LinearProbability,
    Log2Probability,
    exponentials_layout,
    probability_latency,
)
from vitaccel.hw.vector.products import ProductPort
from vitaccel.hw.vector.row_max import RowMax, row_max_latency
from vitaccel.hw.vector.row_total import RowTotal, row_total_latency

__all__ = ["Softmax"]

N_ROWS = 16  # rows between their last word's entry and exit
TOTAL_SLACK = 48  # words that may follow a row while its sum is inverted
N_RESULTS = 16


class Softmax(wiring.Component):
    """Softmax of rows of int8, linear with up to 8 bits or logarithmic with 4.

    Formula: docs/architecture.md, VECTOR. Rows come twice: for their maximum, and again for their
    exponentials, which wait in a buffer for their sum.

    Parameters
    ----------
    config
        ``row_words`` and ``rows`` bound a row, ``table_slots`` the exp tables; without
        ``log2_attention`` only the linear form is built.

    Members
    -------
    fields : In(command_layout(SOFTMAX))
        ``param`` (slot), ``log2`` and ``bits`` (1 to 8) are used; constant while rows are inside.
    write : In(WritePort)
        Exp tables, see `isa.Space.EXP`. Always ready; no word is looked up while one is written.
        Entry 0 must be 32768, others at most that.
    i, again : In(marked words of unsigned(8) lanes)
        Rows of int8, at most ``row_words`` words each, and the same rows from a `Replay`.
    product : Out(ProductPort)
        To its multipliers.
    o : Out(stream of words)
        Rows of results; lanes outside the row are 0, or 15 if ``log2``.

    Timing
    ------
    The first word of a row leaves `latency` cycles after its last one came, more if the row before
    is longer. One word per cycle for rows of `RowTotal.INTERVAL` words or more, otherwise one row
    every `RowTotal.INTERVAL` cycles. Combinational path from ``again.valid`` to its
    ``ready``.

    Numerics
    --------
    Exact; golden twin `golden.ops.softmax`.
    """

    fields: data.View
    i: stream.Interface
    again: stream.Interface
    o: stream.Interface
    write: stream.Interface
    product: Any

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.latency = (
            row_max_latency(config) + Queue.LATENCY + LaneTable.LATENCY
            + row_total_latency(config) + probability_latency(config) + Queue.LATENCY
        )  # fmt: skip
        super().__init__({
            "fields": In(command_layout(isa.Op.SOFTMAX)),
            "write": In(WritePort(config)),
            "i": In(stream.Signature(marked_layout(config, 8))),
            "again": In(stream.Signature(marked_layout(config, 8))),
            "product": Out(ProductPort(config)),
            "o": Out(stream.Signature(word_layout(config))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.rows_room = rows_room = Credits(N_ROWS)
        maxima = self._find_maximum(m, rows_room)
        exponentials, row_total = self._exponentiate(m, maxima)
        self._divide(m, exponentials, row_total, rows_room)
        return m

    def _find_maximum(self, m: Module, rows_room: Credits) -> Queue:
        """Find the maximum of each row."""
        m.submodules.maxima = maxima = Queue(signed(8), N_ROWS)
        m.submodules.row_max = row_max = RowMax(self.config)
        taken = Signal()
        m.d.comb += [
            self.i.ready.eq(rows_room.free),
            taken.eq(self.i.valid & self.i.ready),
            rows_room.take.eq(taken & self.i.p.last),
            row_max.i.eq(self.i.p),
            row_max.i_valid.eq(taken),
            maxima.i.payload.eq(row_max.o),
            maxima.i.valid.eq(row_max.o_valid),
        ]
        return maxima

    def _exponentiate(self, m: Module, maxima: Queue) -> tuple[RowBuffer, RowTotal]:
        """Look up the exponentials of distances to the maximum, keep them and their sum."""
        config = self.config
        layout = data.StructLayout({"lanes": exponentials_layout(config), "last": 1})
        m.submodules.exponentials = kept = RowBuffer(layout, config.row_words + TOTAL_SLACK)
        m.submodules.exponentials_room = room = Credits(kept.depth)
        m.submodules.table = table = LaneTable(config, config.table_slots, 2)
        wiring.connect(m, wiring.flipped(self.write), table.write)
        words = self.again
        launch = Signal()
        m.d.comb += [
            launch.eq(words.valid & maxima.o.valid & room.free & ~table.writing),
            words.ready.eq(launch),
            maxima.o.ready.eq(launch & words.p.last),
            room.take.eq(launch),
            room.give.eq(kept.o.valid & kept.o.ready),
            *(table.slot[r].eq(self.fields.param) for r in range(config.rows)),
        ]
        m.d.comb += [
            table.index[r].eq(maxima.o.payload - words.p.lanes[r]) for r in range(config.rows)
        ]
        mask = delayed(m, words.p.mask, LaneTable.LATENCY, "mask")
        m.d.comb += [
            lane.eq(Mux(mask[r], table.data[r], 0)) for r, lane in enumerate(kept.i.p.lanes)
        ]
        m.submodules.row_total = row_total = RowTotal(config)
        m.d.comb += [
            kept.i.p.last.eq(delayed(m, words.p.last, LaneTable.LATENCY, "last")),
            kept.i.valid.eq(delayed(m, launch, LaneTable.LATENCY, "launch", reset_less=False)),
            row_total.i.eq(kept.i.p.lanes),
            row_total.i_last.eq(kept.i.p.last),
            row_total.i_valid.eq(kept.i.valid),
        ]
        return kept, row_total

    def _divide(
        self, m: Module, exponentials: RowBuffer, row_total: RowTotal, rows_room: Credits
    ) -> None:
        """Turn exponentials into results; what is launched has a place in the queue."""
        m.submodules.results = results = Queue(word_layout(self.config), N_RESULTS)
        m.submodules.results_room = results_room = Credits(N_RESULTS)
        m.submodules.linear = linear = LinearProbability(self.config)
        wiring.connect(m, linear.product, wiring.flipped(self.product))
        launch = Signal()
        last = exponentials.o.p.last
        latency = probability_latency(self.config)
        m.d.comb += [
            launch.eq(exponentials.o.valid & row_total.o.valid & results_room.free),
            exponentials.o.ready.eq(launch),
            row_total.o.ready.eq(launch & last),
            rows_room.give.eq(launch & last),
            results_room.take.eq(launch),
            results_room.give.eq(self.o.valid & self.o.ready),
            linear.bits.eq(self.fields.bits),
            linear.i.eq(exponentials.o.p.lanes),
            linear.total.eq(row_total.o.payload),
            results.i.payload.eq(linear.o),
            results.i.valid.eq(delayed(m, launch, latency, "result", reset_less=False)),
        ]
        wiring.connect(m, results.o, wiring.flipped(self.o))
        if self.config.log2_attention:
            m.submodules.log2 = log2 = Log2Probability(self.config)
            m.d.comb += [
                log2.i.eq(exponentials.o.p.lanes),
                log2.total.eq(row_total.o.payload),
            ]
            with m.If(self.fields.log2):
                m.d.comb += results.i.payload.eq(log2.o)
