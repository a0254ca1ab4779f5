"""Requantisation of accumulators to 8-bit lanes."""

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import word_layout
from vitaccel.hw.post.requant_lane import (
    COARSE,
    SHIFT_BITS,
    RequantLane,
    lane_layout,
    limits_layout,
    scalers,
)
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared

__all__ = ["Requant", "requant_latency", "requant_layout"]


def requant_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Lanes, and what they share."""
    return data.StructLayout({
        "lanes": data.ArrayLayout(lane_layout(config), config.rows),
        "pre_shift": 4,
        "post_shift": 6,
        "zero_point": signed(8),
        "low": signed(9),
        "high": signed(9),
    })


def requant_latency(config: AcceleratorConfig) -> int:
    """Cycles from accumulators to results: seven beside the product's."""
    return 7 + scalers(config)[0].LATENCY


class Requant(wiring.Component):
    """Scale R accumulators, add a residual, round and saturate once, last.

    Computes ``t = (acc + bias) >> pre_shift`` (floor; its low 18 bits are used),
    ``u = t * mul + residual * residual_mul + 2**(post_shift - 1)``,
    ``y = clamp((u >> post_shift) + zero_point, low, high)``. With ``config.requant == "shift"``,
    mul and residual_mul are exponents 0..15 of powers of two, and 255 means 0.

    Parameters
    ----------
    config
        ``rows``, ``accumulator_bits``, ``requant``, ``post_products``.

    Members
    -------
    i : In(requant_layout)
        pre_shift 0..15, post_shift 1..32, low <= high.
    o : Out(word)
        The lanes' y of `requant_latency` cycles ago.

    Timing
    ------
    Latency `requant_latency` cycles; one word per cycle; never stalls.

    Numerics
    --------
    Exact as long as t fits 18 bits signed; golden twin `golden.ops.requant`.
    """

    i: data.View
    o: data.View

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({"i": In(requant_layout(config)), "o": Out(word_layout(config))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product = scalers(self.config)[0].LATENCY
        pre = delayed(m, self.i.pre_shift, 1, "pre_shift")
        pre_fine = delayed(m, pre[:2], 1, "pre_fine")
        # One bit less than post_shift: the bit that then remains below the point rounds.
        shift = Signal(SHIFT_BITS, reset_less=True)
        m.d.sync += shift.eq(self.i.post_shift - 1)
        coarse = delayed(m, shift, 2 + product, "coarse")
        fine = delayed(m, coarse[:COARSE], 1, "fine")
        # Past a shift of less than 8, of less than 16, so many bits must all be the sign.
        signs = delayed(m, Cat(coarse[COARSE:] == 0, ~coarse[-1]), 1, "signs")
        limits = delayed(m, self._limits(m), 4 + product, "limits")
        ends = delayed(m, limits, 1, "ends")
        for r in range(self.config.rows):
            lane = RequantLane(self.config)
            m.submodules[f"lane_{r}"] = Shared(lane)
            m.d.comb += [
                lane.i.eq(self.i.lanes[r]),
                lane.pre_coarse.eq(pre[2:]),
                lane.pre_fine.eq(pre_fine),
                lane.post_coarse.eq(coarse[COARSE:]),
                lane.post_fine.eq(fine),
                lane.post_signs.eq(signs),
                lane.limits.eq(limits),
                lane.ends.eq(ends),
                self.o[r].eq(lane.o),
            ]
        return m

    def _limits(self, m: Module) -> data.View:
        """Thresholds in units of half a result, one cycle later."""
        limits = Signal(limits_layout(), reset_less=True)
        zero_point, low, high = self.i.zero_point, self.i.low, self.i.high
        m.d.sync += [
            limits.least.eq((low - zero_point) << 1),
            limits.most.eq((high - zero_point) << 1),
            limits.zero_point.eq(zero_point),
            limits.low.eq(low),
            limits.high.eq(high),
        ]
        return limits
