"""Requantisation of accumulators to 8-bit lanes."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
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
QUAD = 4  # lanes that share a reciprocal: its low byte, high byte, exponent
EXPONENT = 2


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

    With ``config.hybrid`` ``division`` is `isa.Division`. If ``config.division`` is log2: with CODE
    y is the code of t, see `DivisorCode`; with DIVIDE a lane's residual is such a code, which is
    added to post_shift. If it is reciprocal, four lanes go together and have the same t: with CODE
    the exponent of t is added to post_shift, and is y in the third lane; with DIVIDE the residuals
    of the first two lanes are low and high byte of mul, that of the third is added to post_shift.

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
        self.divides = config.hybrid and residual
        super().__init__({"i": In(requant_layout(config)), "o": Out(word_layout(config))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product = scalers(self.config)[0].LATENCY
        pre = delayed(m, self.i.pre_shift, 1, "pre_shift")
        pre_fine = delayed(m, pre[:2], 1, "pre_fine")
        # One bit less than post_shift: the bit that then remains below the point rounds.
        shift = Signal(SHIFT_BITS, reset_less=True)
        m.d.sync += shift.eq(self.i.post_shift - 1)
        bounds = limits(m, self.i.low, self.i.high, self.i.zero_point)
        bounds = delayed(m, bounds, 4 + product, "limits")
        ends = delayed(m, bounds, 1, "ends")
        lanes = [
            RequantLane(self.config, self.residual, self.divides and self._coded(r))
            for r in range(self.config.rows)
        ]
        for r, (lane, post) in enumerate(zip(lanes, self._divided(m, lanes, shift), strict=True)):
            m.submodules[f"lane_{r}"] = Shared(lane)
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
        if self.divides:
            self._divide(m, lanes)
        return m

    def _coded(self, r: int) -> bool:
        """Whether the result of lane r may be a code."""
        return self.config.division == "log2" or r % QUAD == EXPONENT

    def _divide(self, m: Module, lanes: list[RequantLane]) -> None:
        """Say which results are codes; let reciprocals take the place of multipliers."""
        coding, dividing = (self.i.division == d for d in (Division.CODE, Division.DIVIDE))
        coded = delayed(m, coding, 6 + scalers(self.config)[0].LATENCY, "coded")
        for r, lane in enumerate(lanes):
            m.d.comb += lane.code.eq(coded & lane.coded)
            if self.config.division == "reciprocal":
                first, second = (self.i.lanes[r - r % QUAD + n].residual for n in (0, 1))
                factor = Cat(first, second)
                m.d.comb += lane.i.mul.eq(Mux(dividing, factor, self.i.lanes[r].mul))

    def _divided(self, m: Module, lanes: list[RequantLane], shift: Signal) -> list[Distance]:
        """Shift of each lane, a divisor's code added where that is wanted."""
        if not self.divides:
            return [self._late(m, shift, 1, "")] * len(lanes)
        if self.config.division == "log2":
            sums = [shift + self._code(m, r, 4) for r in range(len(lanes))]
            return [self._total(m, total, 2, r) for r, total in enumerate(sums)]
        later = RequantLane.EXPONENT - 1
        coding = delayed(m, self.i.division == Division.CODE, later + 1, "coding")
        shift = delayed(m, shift, later, "shift")
        found: list[Distance] = []
        for r in range(EXPONENT, len(lanes), QUAD):
            code = delayed(m, self._code(m, r, SHIFT_BITS), later, f"code_{r}_late")
            total = shift + Mux(coding, lanes[r].exponent, code)
            found += [self._total(m, total, later + 2, r)] * QUAD
        return found

    def _code(self, m: Module, r: int, bits: int) -> Value:
        """What lane r's residual adds to the shift, one cycle later."""
        divides = self.i.division == Division.DIVIDE
        return delayed(m, Mux(divides, self.i.lanes[r].residual[:bits], 0), 1, f"code_{r}")

    def _total(self, m: Module, total: Value, cycle: int, r: int) -> Distance:
        return self._late(m, delayed(m, total[:SHIFT_BITS], 1, f"total_{r}"), cycle, f"_{r}")

    def _late(self, m: Module, shift: Value, cycle: int, name: str) -> Distance:
        """Parts of a shift, which is there in ``cycle``, for stage 6."""
        wait = 3 + scalers(self.config)[0].LATENCY - cycle
        return distance(m, delayed(m, shift, wait, f"coarse{name}"), name)
