"""Requantisation of accumulators to 8-bit lanes."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import word_layout
from vitaccel.hw.primitives.multiplier import Multiplier
from vitaccel.hw.primitives.pipe import delayed

__all__ = ["Requant", "Shifter", "lane_layout", "requant_layout"]

NARROW_BITS = 18  # accumulator after pre_shift
SUM_BITS = 35  # |t * mul + residual * residual_mul| < 2**34
SHIFT_BITS = 5  # post_shift - 1
COARSE = 3  # its bits from here on shift one stage earlier
FINE_BITS = 11  # twice the result before the zero point: the last bit rounds


def lane_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What each lane has of its own."""
    return data.StructLayout({
        "acc": signed(config.accumulator_bits),
        "bias": signed(32),
        "mul": 16,
        "residual": signed(8),
        "residual_mul": 16,
    })


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


class Shifter(wiring.Component):
    """Stands in for `Multiplier` where all factors are powers of two.

    Computes ``p = a << b`` for b in 0..15; with bit 4 of b set (255 stands for the factor 0): 0.
    Latency and ports are those of `Multiplier`; a register lies in the middle of the shift.
    """

    a: Signal
    b: Signal
    p: Signal

    LATENCY = Multiplier.LATENCY

    def __init__(self, a_width: int, b_width: int) -> None:
        super().__init__({
            "a": In(signed(a_width)),
            "b": In(signed(b_width)),
            "p": Out(signed(a_width + 15)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fine = Signal(signed(len(self.a) + 3), reset_less=True)
        coarse = Signal(2, reset_less=True)
        m.d.sync += [
            fine.eq(Mux(self.b[4], 0, self.a << self.b[:2])),
            coarse.eq(self.b[2:4]),
            self.p.eq(fine << Cat(0, 0, coarse)),
        ]
        return m


class Requant(wiring.Component):
    """Scale R accumulators, add a residual, round and saturate once, last.

    Computes ``t = (acc + bias) >> pre_shift`` (floor; its low 18 bits are used),
    ``u = t * mul + residual * residual_mul + 2**(post_shift - 1)``,
    ``y = clamp((u >> post_shift) + zero_point, low, high)``. With ``config.requant == "shift"``,
    mul and residual_mul are exponents 0..15 of powers of two, and 255 means 0.

    Parameters
    ----------
    config
        ``rows``, ``accumulator_bits``, ``requant``.

    Members
    -------
    i : In(requant_layout)
        pre_shift 0..15, post_shift 1..32, low <= high.
    o : Out(word)
        The lanes' y of `LATENCY` cycles ago.

    Timing
    ------
    Latency `LATENCY` cycles; one word per cycle; never stalls.

    Numerics
    --------
    Exact as long as t fits 18 bits signed; golden twin `golden.ops.requant`.
    """

    i: data.View
    o: data.View

    LATENCY = 9

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({"i": In(requant_layout(config)), "o": Out(word_layout(config))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pre = delayed(m, self.i.pre_shift, 1, "pre_shift")
        pre_fine = delayed(m, pre[:2], 1, "pre_fine")
        # One bit less than post_shift: the bit that then remains below the point rounds.
        shift = Signal(SHIFT_BITS, reset_less=True)
        m.d.sync += shift.eq(self.i.post_shift - 1)
        coarse = delayed(m, shift, 4, "coarse")
        fine = delayed(m, coarse[:COARSE], 1, "fine")
        post = [*fine, *coarse[COARSE:]]
        limits = self._limits(m)
        ends = delayed(m, limits, 1, "ends")
        for r, lane in enumerate(self.i.lanes):
            t = self._narrow(m, r, lane, pre[2:], pre_fine)
            total = self._scale(m, r, lane, t)
            v = self._shift_right(m, r, total, post)
            self._saturate(m, r, v, limits, ends)
        return m

    def _limits(self, m: Module) -> data.View:
        """Thresholds in units of half a result, aligned with stage 8."""
        layout = data.StructLayout({
            "least": signed(FINE_BITS),
            "most": signed(FINE_BITS),
            "zero_point": signed(8),
            "low": signed(9),
            "high": signed(9),
        })
        limits = Signal(layout, reset_less=True)
        zero_point, low, high = self.i.zero_point, self.i.low, self.i.high
        m.d.sync += [
            limits.least.eq((low - zero_point) << 1),
            limits.most.eq((high - zero_point) << 1),
            limits.zero_point.eq(zero_point),
            limits.low.eq(low),
            limits.high.eq(high),
        ]
        return delayed(m, limits, 6, "limits")

    def _narrow(self, m: Module, r: int, lane: data.View, coarse: Value, fine: Value) -> Signal:
        """Stages 1 and 2, and the logic before 3: add the bias, shift by 4s, then by 1s."""
        biased = Signal(signed(33), name=f"biased_{r}", reset_less=True)
        fourth = Signal(signed(NARROW_BITS + 3), name=f"fourth_{r}", reset_less=True)
        t = Signal(signed(NARROW_BITS), name=f"t_{r}")
        m.d.sync += [
            biased.eq(lane.acc + lane.bias),
            fourth.eq(biased >> Cat(0, 0, coarse)),
        ]
        m.d.comb += t.eq(fourth >> fine)
        return t

    def _scale(self, m: Module, r: int, lane: data.View, t: Signal) -> Signal:
        """Stages 3 to 5: multiply, add the residual."""
        multiplier = Shifter if self.config.requant == "shift" else Multiplier
        m.submodules[f"scale_{r}"] = scale = multiplier(NARROW_BITS, 17)
        m.submodules[f"residual_{r}"] = residual = multiplier(8, 17)
        total = Signal(signed(SUM_BITS), name=f"total_{r}", reset_less=True)
        m.d.comb += [
            scale.a.eq(t),
            scale.b.eq(delayed(m, lane.mul, 2, f"mul_{r}")),
            residual.a.eq(delayed(m, lane.residual, 2, f"residual_{r}")),
            residual.b.eq(delayed(m, lane.residual_mul, 2, f"residual_mul_{r}")),
        ]
        m.d.sync += total.eq(scale.p + residual.p)
        return total

    def _shift_right(self, m: Module, r: int, total: Signal, shift: list) -> tuple:
        """Stages 6 and 7: ``total >> shift`` in 11 bits, its sign, and whether it needs more."""
        value, over = total, Const(0)
        negative = total[-1]
        for k in reversed(range(SHIFT_BITS)):
            width = FINE_BITS + (1 << k) - 1  # what the bits of shift below k can still reach
            lost = value[width:] ^ negative.replicate(len(value[width:]))
            over |= lost.any() & ~shift[k]
            wide = Cat(value, negative.replicate(width + (1 << k)))
            value = Mux(shift[k], wide[1 << k :][:width], wide[:width])
            if k in {COARSE, 0}:
                value, over, negative = (
                    delayed(m, x, 1, f"{name}_{r}_{k}")
                    for x, name in ((value, "value"), (over, "over"), (negative, "negative"))
                )
        return value, over | (value[-1] ^ negative), negative

    def _saturate(self, m: Module, r: int, v: tuple, limits: data.View, ends: data.View) -> None:
        """Stages 8 and 9: add zero point and rounding bit, compare, choose."""
        value, over, negative = v
        value = value.as_signed()
        result = Signal(8, name=f"result_{r}", reset_less=True)
        below = Signal(name=f"below_{r}", reset_less=True)
        above = Signal(name=f"above_{r}", reset_less=True)
        m.d.sync += [
            result.eq((value + Cat(1, limits.zero_point).as_signed()) >> 1),
            below.eq(Mux(over, negative, value < limits.least)),
            above.eq(Mux(over, ~negative, value > limits.most)),
        ]
        m.d.sync += self.o[r].eq(Mux(below, ends.low, Mux(above, ends.high, result)))
