"""Sum of a row's exponentials, normalised, with its reciprocal."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.tree import reduce_tree, tree_latency
from vitaccel.hw.streams.queue import Queue
from vitaccel.hw.vector.normalize import Normalize
from vitaccel.hw.vector.probability import exponentials_layout, total_layout
from vitaccel.hw.vector.reciprocal import Reciprocal

__all__ = ["RowTotal", "row_total_latency"]

N_STAGES = 4  # of the reciprocal
N_ROWS = 16


def _spread(config: AcceleratorConfig) -> int:
    """Greatest t: bits that the number of elements adds to an exponential of at most 2**15."""
    return ceil_log2(config.row_words * config.rows)


def row_total_latency(config: AcceleratorConfig) -> int:
    """Cycles from a row's last word to its total."""
    return (
        tree_latency(config.rows) + 1 + Queue.LATENCY
        + bits_for(_spread(config)) + Reciprocal.LATENCY + Queue.LATENCY
    )  # fmt: skip


class RowTotal(wiring.Component):
    """Computes ``S = Σe``, ``t = floor(log2 S) - 15``, ``n = S >> t`` and its reciprocal.

    Parameters
    ----------
    config
        ``rows`` and ``row_words`` bound a row.

    Members
    -------
    i : In(exponentials_layout), i_last : In(1), i_valid : In(1)
        Words of exponentials, at most 2**15, at least one of a row 2**15; lanes outside the row 0.
    o : Out(stream of total_layout)
        Totals. At most 16 rows may be inside, then nothing is lost.

    Timing
    ------
    Latency `row_total_latency` cycles after the row's last word. One word per cycle and one row
    every `INTERVAL` cycles; shorter rows queue up. No combinational paths.

    Numerics
    --------
    Exact.
    """

    i: data.View
    i_last: Signal
    i_valid: Signal
    o: stream.Interface

    INTERVAL = Reciprocal.LATENCY // N_STAGES

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "i": In(exponentials_layout(config)),
            "i_last": In(1),
            "i_valid": In(1),
            "o": Out(stream.Signature(total_layout())),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spread = _spread(self.config)
        m.submodules.sums = sums = Queue(16 + spread, N_ROWS)
        m.submodules.normalize = normalize = Normalize(16 + spread, 1, 16, spread, 0)
        m.submodules.reciprocal = reciprocal = Reciprocal(4, N_STAGES)
        m.submodules.rows = rows = Queue(total_layout(), N_ROWS)
        self._add(m, sums)
        wait = Signal(range(self.INTERVAL))  # cycles until the reciprocal takes another
        with m.If(sums.o.valid & sums.o.ready):
            m.d.sync += wait.eq(self.INTERVAL - 1)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        m.d.comb += [
            sums.o.ready.eq(wait == 0),
            normalize.i.p.value.eq(sums.o.payload),
            normalize.i.valid.eq(sums.o.valid & sums.o.ready),
            reciprocal.i.p.n.eq(normalize.o.p.value),
            reciprocal.i.p.tag.eq(spread - normalize.o.p.count),
            reciprocal.i.valid.eq(normalize.o.valid),
            rows.i.p.n.eq(reciprocal.o.p.n),
            rows.i.p.t.eq(reciprocal.o.p.tag),
            rows.i.p.inverse.eq(reciprocal.o.p.inverse),
            rows.i.valid.eq(reciprocal.o.valid),  # at most N_ROWS rows are inside
        ]
        wiring.connect(m, rows.o, wiring.flipped(self.o))
        return m

    def _add(self, m: Module, sums: Queue) -> None:
        """Add up the words of a row."""

        def add(a: Value, b: Value) -> Value:
            return a + b

        word = reduce_tree(m, [*self.i], add, name="sum")
        levels = tree_latency(self.config.rows)
        valid = delayed(m, self.i_valid, levels, "valid", reset_less=False)
        last = delayed(m, self.i_last, levels, "last")
        fresh = Signal(init=1)
        m.d.sync += sums.i.valid.eq(valid & last)
        with m.If(valid):
            m.d.sync += [
                fresh.eq(last),
                sums.i.payload.eq(Mux(fresh, 0, sums.i.payload) + word),
            ]
