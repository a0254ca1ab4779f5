"""Statistics of a row, from its sums to the factor that normalises it."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import command_layout
from vitaccel.hw.streams.queue import Queue
from vitaccel.hw.vector.isqrt import Isqrt
from vitaccel.hw.vector.moments import moments_layout
from vitaccel.hw.vector.normalize import Normalize
from vitaccel.hw.vector.reciprocal import Reciprocal
from vitaccel.hw.vector.standardize import S_LEAST, statistics_layout
from vitaccel.hw.vector.variance import V_BITS, Variance, variance_latency

__all__ = ["RowScale", "row_scale_latency"]

N_STAGES = 2  # of the root and of the reciprocal: as slow as the products of the variance
MOST = V_BITS // 2 - 1  # pairs of bits that V >= 1 may be moved
N_ROWS = 16


def row_scale_latency(config: AcceleratorConfig) -> int:
    """Cycles from a row's sums to its statistics."""
    return (
        variance_latency(config) + bits_for(MOST)
        + Isqrt.LATENCY + Reciprocal.LATENCY + Queue.LATENCY
    )  # fmt: skip


class RowScale(wiring.Component):
    """Computes mu, ``inverse = min(65535, floor(2**31 / isqrt(Vn)))`` and s - 4 of a row.

    With V = Vn·4**t as in docs/architecture.md, VECTOR; V = 0 gives an inverse of 0.

    Parameters
    ----------
    config
        ``vector_products``.

    Members
    -------
    fields : In(command_layout(NORM))
        ``length``, ``mean_mul``, ``mean_shift``, ``scale_shift`` are used; constant while rows are
        inside.
    i : In(stream of moments_layout)
        Sums.
    o : Out(stream of statistics_layout)
        Statistics. At most 16 rows may be inside, then nothing ever waits.

    Timing
    ------
    Latency `row_scale_latency` cycles; one row every `INTERVAL` cycles. No combinational paths.

    Numerics
    --------
    Exact.
    """

    fields: data.View
    i: stream.Interface
    o: stream.Interface

    INTERVAL = Variance.INTERVAL

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "fields": In(command_layout(isa.Op.NORM)),
            "i": In(stream.Signature(moments_layout())),
            "o": Out(stream.Signature(statistics_layout())),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tag = data.StructLayout({"mu": signed(16), "shift": 4, "zero": 1})
        m.submodules.variance = variance = Variance(self.config)
        m.submodules.normalize = normalize = Normalize(V_BITS, 2, 32, MOST, signed(16))
        m.submodules.isqrt = isqrt = Isqrt(tag, N_STAGES)
        m.submodules.reciprocal = reciprocal = Reciprocal(tag, N_STAGES)
        m.submodules.rows = rows = Queue(statistics_layout(), N_ROWS)
        wiring.connect(m, wiring.flipped(self.i), variance.i)
        wiring.connect(m, rows.o, wiring.flipped(self.o))

        # V = Vn·4**t with t = 5 - count, so s - 4 = scale_shift + 1 - count.
        base = Signal(4)
        m.d.sync += base.eq(self.fields.scale_shift + (V_BITS - 32) // 2 - S_LEAST)
        m.d.comb += [
            variance.length.eq(self.fields.length),
            variance.mean_mul.eq(self.fields.mean_mul),
            variance.mean_shift.eq(self.fields.mean_shift),
            normalize.i.p.value.eq(variance.o.p.v),
            normalize.i.p.tag.eq(variance.o.p.mu),
            normalize.i.valid.eq(variance.o.valid),
            isqrt.i.p.value.eq(normalize.o.p.value),
            isqrt.i.p.tag.mu.eq(normalize.o.p.tag),
            isqrt.i.p.tag.shift.eq(base - normalize.o.p.count),
            isqrt.i.p.tag.zero.eq(normalize.o.p.zero),
            isqrt.i.valid.eq(normalize.o.valid),
            reciprocal.i.p.n.eq(isqrt.o.p.root),
            reciprocal.i.p.tag.eq(isqrt.o.p.tag),
            reciprocal.i.valid.eq(isqrt.o.valid),
            rows.i.p.mu.eq(reciprocal.o.p.tag.mu),
            rows.i.p.inverse.eq(Mux(reciprocal.o.p.tag.zero, 0, reciprocal.o.p.inverse)),
            rows.i.p.shift.eq(reciprocal.o.p.tag.shift),
            rows.i.valid.eq(reciprocal.o.valid),  # at most N_ROWS rows are inside
        ]
        return m
