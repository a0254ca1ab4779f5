"""Mean and variance of a row from its sums, by one multiplier."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.product import narrow_multiplier
from vitaccel.hw.primitives.round_shift import RoundShift
from vitaccel.hw.vector.moments import moments_layout

__all__ = ["Variance", "variance_latency", "variance_layout"]

V_BITS = 42  # D·S2 - S1² <= (D / 2 · 2040)² for D <= 2048
MU_BITS = 16
LIMB = 11  # S1 and S2 are cut into limbs of 11 bits, so that products fit 18 x 18 bits
MEAN_SHIFT_LEAST = 13


def variance_layout() -> data.StructLayout:
    """D² times the variance, and 16 times the mean."""
    return data.StructLayout({"v": V_BITS, "mu": signed(MU_BITS)})


def variance_latency(config: AcceleratorConfig) -> int:
    """Cycles from a row's sums to its variance."""
    return Variance.INTERVAL + narrow_multiplier(config.vector_products).LATENCY + 1


class Variance(wiring.Component):
    """Computes V and mu of docs/architecture.md, VECTOR.

    ``V = D·S2 - S1²`` and ``mu = (S1·mean_mul + 2**(mean_shift-1)) >> mean_shift``: eight products
    of limbs go through one multiplier and one accumulator, highest weight first.

    Parameters
    ----------
    config
        ``vector_products``.

    Members
    -------
    length : In(12), mean_mul : In(17), mean_shift : In(6)
        D (1 to 2048) and the constants that go with it; mean_shift 13 to 28. They may change only
        while no row is inside.
    i : In(stream of moments_layout)
        Sums of a row.
    o : Out(stream of variance_layout, always ready)
        Variance and mean.

    Timing
    ------
    Latency `variance_latency` cycles; one row every `INTERVAL` cycles. No combinational paths.

    Numerics
    --------
    Exact.
    """

    length: Signal
    mean_mul: Signal
    mean_shift: Signal
    i: stream.Interface
    o: stream.Interface

    INTERVAL = 8

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "length": In(12),
            "mean_mul": In(17),
            "mean_shift": In(6),
            "i": In(stream.Signature(moments_layout())),
            "o": Out(stream.Signature(variance_layout(), always_ready=True)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low, high = self.i.p.s1[:LIMB], self.i.p.s1[LIMB:].as_signed()
        squares = [self.i.p.s2[n : n + LIMB] for n in range(0, 32, LIMB)]
        # Sum of the mean: first two. Then V: two of weight 2**22, two of 2**11, two of 1.
        products = [
            (self.mean_mul, high), (self.mean_mul, low),
            (self.length, squares[2]), (high, -high),
            (self.length, squares[1]), (high, -(low << 1)),
            (self.length, squares[0]), (low, -low),
        ]  # fmt: skip
        step = Signal(range(self.INTERVAL))
        m.d.comb += self.i.ready.eq(step == self.INTERVAL - 1)
        m.d.sync += step.eq(step + self.i.valid)

        kind = narrow_multiplier(self.config.vector_products)
        m.submodules.multiplier = multiplier = kind(signed(18), signed(LIMB + 2))
        m.d.comb += [
            multiplier.a.eq(Array(a for a, _ in products)[step]),
            multiplier.b.eq(Array(b for _, b in products)[step]),
        ]

        # What the accumulator does with the product, two cycles later.
        fresh = (step == 0) | (step == 2)
        shifted = (step == 1) | (step == 4) | (step == 6)
        actions = Signal(4)
        m.d.comb += actions.eq(Cat(self.i.valid, fresh, shifted, self.i.ready))
        valid, fresh, shifted, final = delayed(
            m, actions, kind.LATENCY, "actions", reset_less=False
        )
        total = Signal(signed(V_BITS + 2), reset_less=True)
        before = Mux(fresh, 0, Mux(shifted, Cat(Const(0, LIMB), total).as_signed(), total))
        with m.If(valid):
            m.d.sync += total.eq(before + multiplier.p)
        done = Signal()
        m.d.sync += done.eq(valid & final)
        self._offer(m, total, done)
        return m

    def _offer(self, m: Module, total: Signal, done: Signal) -> None:
        """Round the mean, which the accumulator held six cycles before ``done``, and register."""
        m.submodules.rounding = rounding = RoundShift(40 - MEAN_SHIFT_LEAST + 1, 4, MU_BITS)
        m.d.comb += [
            rounding.i.eq(total[MEAN_SHIFT_LEAST - 1 :]),
            rounding.shift.eq(self.mean_shift - MEAN_SHIFT_LEAST),
        ]
        mean = delayed(m, rounding.o, 6 - RoundShift.LATENCY, "mean")
        m.d.sync += [self.o.p.v.eq(total), self.o.p.mu.eq(mean), self.o.valid.eq(done)]
