"""Requantisation of one lane."""

from amaranth import Cat, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.hdl import ShapeLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.post.divisor_code import DivisorCode
from vitaccel.hw.primitives.lut_multiplier import LutMultiplier
from vitaccel.hw.primitives.multiplier import Multiplier
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.product import narrow_multiplier, wide_multiplier
from vitaccel.hw.primitives.quad_shift import quad_shifted
from vitaccel.hw.primitives.round_clamp import TWICE_BITS, RoundClamp, limits_layout
from vitaccel.hw.primitives.window_shift import WindowShift

__all__ = ["SHIFT_BITS", "RequantLane", "Shifter", "lane_layout", "scalers"]

NARROW_BITS = 18  # accumulator after pre_shift
SUM_BITS = 35  # |t * mul + residual * residual_mul| < 2**34
SHIFT_BITS = 5  # post_shift - 1


def lane_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What each lane has of its own."""
    return data.StructLayout({
        "acc": signed(config.accumulator_bits),
        "bias": signed(32),
        "mul": 16,
        "residual": signed(8),
        "residual_mul": 16,
    })


class Shifter(wiring.Component):
    """Stands in for `Multiplier` where all factors are powers of two.

    Computes ``p = a << b`` for b in 0..15; with bit 4 of b set (255 stands for the factor 0): 0.
    Latency and ports are those of `Multiplier`; a register lies in the middle of the shift.
    """

    a: Signal
    b: Signal
    p: Signal

    LATENCY = Multiplier.LATENCY

    def __init__(self, a_shape: ShapeLike, b_shape: ShapeLike) -> None:
        super().__init__({
            "a": In(a_shape),
            "b": In(b_shape),
            "p": Out(signed(Shape.cast(a_shape).width + 15)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fine = Signal(signed(len(self.a) + 3), reset_less=True)
        coarse = Signal(2, reset_less=True)
        moved = Signal.like(self.p, reset_less=True)
        m.d.comb += self.p.eq(moved)
        m.d.sync += [
            fine.eq(Mux(self.b[4], 0, self.a << self.b[:2])),
            coarse.eq(self.b[2:4]),
            moved.eq(fine << Cat(0, 0, coarse)),
        ]
        return m


Scaler = type[Shifter] | type[Multiplier] | type[LutMultiplier]


def scalers(config: AcceleratorConfig) -> tuple[Scaler, Scaler]:
    """What scales accumulators, and residuals."""
    if config.requant == "shift":
        return Shifter, Shifter
    return wide_multiplier(config.post_products), narrow_multiplier(config.post_products)


class RequantLane(wiring.Component):
    """One lane of `Requant`: its stages, with what all lanes share already delayed for it.

    Parameters
    ----------
    config
        See `Requant`.
    residual
        Whether there is one to add.
    coded
        Whether the result may be the code of t; only with ``config.hybrid``.

    Members
    -------
    i : In(lane_layout)
        Enters stage 1.
    pre_coarse, pre_fine : In(2)
        Shift before the product, for stage 2 and the logic after it.
    post_coarse, post_fine, post_near : In
        Shift behind it, less one, as `WindowShift` takes it, for stages 6 and 7.
    limits, ends : In(limits_layout)
        For stages 8 and 9.
    code : In(1)
        For stage 9: the result is the code of t.
    exponent : Out(5)
        Index of the leading one of t, `EXPONENT` cycles after it entered. Only if lanes that are
        ``coded`` have it as code.
    o : Out(8)
        After stage 9.

    Timing
    ------
    Latency ``requant_latency(config)`` cycles. Stages are numbered for products of two cycles;
    those of slower ones come in between.
    """

    i: data.View
    pre_coarse: Signal
    pre_fine: Signal
    post_coarse: Signal
    post_fine: Signal
    post_near: Signal
    limits: data.View
    ends: data.View
    code: Signal
    exponent: Signal
    o: Signal

    EXPONENT = 2 + DivisorCode.LATENCY

    def __init__(
        self, config: AcceleratorConfig, residual: bool = True, coded: bool = False
    ) -> None:
        self.config = config
        self.residual = residual
        self.coded = coded
        super().__init__({
            "i": In(lane_layout(config)),
            "pre_coarse": In(2),
            "pre_fine": In(2),
            "post_coarse": In(2),
            "post_fine": In(SHIFT_BITS - 2),
            "post_near": In(2),
            "limits": In(limits_layout()),
            "ends": In(limits_layout()),
            "code": In(1),
            "exponent": Out(5),
            "o": Out(8),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        t = self._narrow(m)
        total = self._scale(m, t)
        self._finish(m, total, self._code(m, t) if self.coded else None)
        return m

    def _narrow(self, m: Module) -> Value:
        """Stages 1 and 2, and the logic before 3: add the bias, shift by 4s, then by 1s."""
        biased = Signal(signed(33), name="biased", reset_less=True)
        m.d.sync += biased.eq(self.i.acc + self.i.bias)
        fourth = quad_shifted(m, "pre_coarse", biased, self.pre_coarse, 4, NARROW_BITS + 3)
        fourth = delayed(m, fourth, 1, "fourth")
        return quad_shifted(m, "pre_fine", fourth, self.pre_fine, 1, NARROW_BITS).as_signed()

    def _code(self, m: Module, t: Value) -> Value:
        """Code of t, for stage 9."""
        rounds = self.config.division == "log2"
        m.submodules.divisor = divisor = DivisorCode(NARROW_BITS, rounds=rounds)
        m.d.comb += divisor.t.eq(t)
        if not rounds:
            m.d.comb += self.exponent.eq(divisor.code)
        product = scalers(self.config)[0].LATENCY
        return delayed(m, divisor.code, 4 + product - divisor.LATENCY, "divisor_code")

    def _scale(self, m: Module, t: Value) -> Signal:
        """Stages 3 to 5: multiply, add the residual."""
        wide, narrow = scalers(self.config)
        m.submodules.scale = scale = wide(signed(NARROW_BITS), unsigned(16))
        m.d.comb += [scale.a.eq(t), scale.b.eq(delayed(m, self.i.mul, 2, "mul"))]
        total = Signal(signed(SUM_BITS), name="total", reset_less=True)
        if not self.residual:
            m.d.sync += total.eq(scale.p)
            return total
        m.submodules.residual = residual = narrow(signed(8), unsigned(16))
        early = 2 + wide.LATENCY - narrow.LATENCY  # both products come together
        m.d.comb += [
            residual.a.eq(delayed(m, self.i.residual, early, "residual")),
            residual.b.eq(delayed(m, self.i.residual_mul, early, "residual_mul")),
        ]
        m.d.sync += total.eq(scale.p + residual.p)
        return total

    def _finish(self, m: Module, total: Signal, code: Value | None) -> None:
        """Stages 6 to 9: shift, then add zero point and rounding bit and clamp."""
        m.submodules.shift = shift = WindowShift(SUM_BITS, SHIFT_BITS, TWICE_BITS)
        m.submodules.clamp = clamp = RoundClamp(coded=code is not None)
        m.d.comb += [
            shift.i.eq(total),
            shift.coarse.eq(self.post_coarse),
            shift.fine.eq(self.post_fine),
            shift.near.eq(self.post_near),
            clamp.twice.eq(shift.o),
            clamp.over.eq(shift.over),
            clamp.negative.eq(shift.negative),
            clamp.limits.eq(self.limits),
            clamp.ends.eq(self.ends),
            self.o.eq(clamp.o),
        ]
        if code is not None:
            m.d.comb += [clamp.code.eq(code), clamp.use_code.eq(self.code)]
