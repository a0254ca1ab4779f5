"""Requantisation of accumulators to 8-bit lanes."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import word_layout
from vitaccel.hw.post.requant_lane import SHIFT_BITS, RequantLane, lane_layout, scalers
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.round_clamp import limits
from vitaccel.hw.primitives.window_shift import Distance, distance
from vitaccel.hw.shared import Shared
from vitaccel.isa import Division

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
        **({"division": 2} if config.hybrid else {}),
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

    With ``config.hybrid`` ``division`` is `isa.Division`: with CODE y is the code of t, see
    `DivisorCode`; with DIVIDE a lane's residual is such a code, which is added to post_shift.

    Parameters
    ----------
    config
        ``rows``, ``accumulator_bits``, ``requant``, ``post_products``.
    residual
        Whether there is one to add; without, that of the lanes is not looked at.

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

    def __init__(self, config: AcceleratorConfig, residual: bool = True) -> None:
        self.config = config
        self.residual = residual
        super().__init__({"i": In(requant_layout(config)), "o": Out(word_layout(config))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product = scalers(self.config)[0].LATENCY
        pre = delayed(m, self.i.pre_shift, 1, "pre_shift")
        pre_fine = delayed(m, pre[:2], 1, "pre_fine")
        # One bit less than post_shift: the bit that then remains below the point rounds.
        shift = Signal(SHIFT_BITS, reset_less=True)
        m.d.sync += shift.eq(self.i.post_shift - 1)
        post = distance(m, delayed(m, shift, 2 + product, "coarse"))
        bounds = limits(m, self.i.low, self.i.high, self.i.zero_point)
        bounds = delayed(m, bounds, 4 + product, "limits")
        ends = delayed(m, bounds, 1, "ends")
        coded = Const(0)
        if self.config.hybrid:
            coded = delayed(m, self.i.division == Division.CODE, 6 + product, "coded")
        for r in range(self.config.rows):
            lane = RequantLane(self.config, self.residual)
            m.submodules[f"lane_{r}"] = Shared(lane)
            if self.config.hybrid:
                m.d.comb += lane.code.eq(coded)
                post = self._divided(m, r, shift)
            m.d.comb += [
                lane.i.eq(self.i.lanes[r]),
                lane.pre_coarse.eq(pre[2:]),
                lane.pre_fine.eq(pre_fine),
                lane.post_coarse.eq(post.coarse),
                lane.post_fine.eq(post.fine),
                lane.post_near.eq(post.near),
                lane.limits.eq(bounds),
                lane.ends.eq(ends),
                self.o[r].eq(lane.o),
            ]
        return m

    def _divided(self, m: Module, r: int, shift: Signal) -> Distance:
        """Shift of a lane, its divisor's code added where that is wanted."""
        divides = self.i.division == Division.DIVIDE
        code = delayed(m, Mux(divides, self.i.lanes[r].residual[:4], 0), 1, f"code_{r}")
        total = delayed(m, (shift + code)[:SHIFT_BITS], 1, f"total_{r}")
        product = scalers(self.config)[0].LATENCY
        return distance(m, delayed(m, total, 1 + product, f"coarse_{r}"), f"_{r}")
