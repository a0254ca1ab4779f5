"""Probabilities from exponentials and their sum, linear or logarithmic."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import word_layout
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.round_shift import RoundShift
from vitaccel.hw.shared import Shared
from vitaccel.hw.vector.products import ProductPort, products_latency

__all__ = [
    "LinearProbability",
    "Log2Probability",
    "exponentials_layout",
    "probability_latency",
    "total_layout",
]

H_LEAST = 23  # h = 31 + t - bits with t >= 0 and bits <= 8
NEVER = 15  # log2 code of probability 0


def exponentials_layout(config: AcceleratorConfig) -> data.ArrayLayout:
    """R exponentials e."""
    return data.ArrayLayout(unsigned(16), config.rows)


def total_layout() -> data.StructLayout:
    """Sum of a row's exponentials, ``n·2**t`` with n normalised to 16 bits, and n's reciprocal."""
    return data.StructLayout({"n": 16, "t": 4, "inverse": 16})


def probability_latency(config: AcceleratorConfig) -> int:
    """Cycles from exponentials to probabilities of either kind."""
    return products_latency(config) + RoundShift.LATENCY + 1


class LinearProbability(wiring.Component):
    """Computes ``p = min(2**bits - 1, (e·inverse + 2**(h-1)) >> h)``, h = 31 + t - bits.

    Parameters
    ----------
    config
        Sets the lanes of a word.

    Members
    -------
    bits : In(4)
        Unit of the result is ``2**-bits``; 1 to 8, constant while words are inside.
    i : In(exponentials_layout), total : In(total_layout)
        Exponentials and their row's sum.
    product : Out(ProductPort)
        Makes the products of exponentials and ``inverse``.
    o : Out(word)
        Probabilities; 0 for e = 0.

    Timing
    ------
    Latency `probability_latency` cycles; one word per cycle; never stalls.

    Numerics
    --------
    Exact.
    """

    bits: Signal
    i: data.View
    total: data.View
    product: Any
    o: data.View

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "bits": In(4),
            "i": In(exponentials_layout(config)),
            "total": In(total_layout()),
            "product": Out(ProductPort(config)),
            "o": Out(word_layout(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        limit = Signal(8)  # 2**bits - 1
        spare_bits = Signal(3)
        shift = Signal(5)  # h - 23
        m.d.sync += [
            limit.eq((1 << self.bits) - 1),
            spare_bits.eq(8 - self.bits),
            shift.eq(self.total.t + spare_bits),
        ]
        shift = delayed(m, shift, products_latency(self.config) - 1, "shift")
        m.d.comb += self.product.factor.eq(self.total.inverse)
        for r in range(self.config.rows):
            rounding = RoundShift(32 - H_LEAST + 2, 5, 10)
            m.submodules[f"rounding_{r}"] = Shared(rounding)
            m.d.comb += [
                self.product.elements[r].eq(self.i[r]),
                rounding.i.eq(self.product.products[r][H_LEAST - 1 : 32]),  # not negative
                rounding.shift.eq(shift),
            ]
            m.d.sync += self.o[r].eq(Mux(rounding.o > limit, limit, rounding.o))
        return m


class Log2Probability(wiring.Component):
    """Computes ``q = min(15, t + z + [2n >= 3me] - [4n < 3me])`` with me = e·2**z normalised.

    Parameters
    ----------
    config
        Sets the lanes of a word.

    Members
    -------
    i : In(exponentials_layout), total : In(total_layout)
        Exponentials and their row's sum; the reciprocal is not used.
    o : Out(word)
        Codes: probability ``2**-q``, and 15 for e = 0.

    Timing
    ------
    Latency `probability_latency` cycles, as `LinearProbability`; one word per cycle; never stalls.

    Numerics
    --------
    Exact.

    Source
    ------
    FQ-ViT, arXiv 2111.13824, 3.3, with the ratio kept exact instead of rounded to an integer first.
    """

    i: data.View
    total: data.View
    o: data.View

    OWN_LATENCY = 7

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "i": In(exponentials_layout(config)),
            "total": In(total_layout()),
            "o": Out(word_layout(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spare = probability_latency(self.config) - self.OWN_LATENCY
        n = delayed(m, self.total.n, 5, "n")
        t = delayed(m, self.total.t, 4, "t")
        for r in range(self.config.rows):
            me, z = self._normalize(m, r)
            triple = Signal(18, name=f"triple_{r}", reset_less=True)
            code = Signal(6, name=f"code_{r}", reset_less=True)
            never = Signal(name=f"never_{r}")
            m.d.sync += [triple.eq(me + (me << 1)), code.eq(t + z), never.eq(~me[-1])]

            up = Signal(name=f"up_{r}")
            down = Signal(name=f"down_{r}")
            code = delayed(m, code, 1, f"code_{r}")
            never = delayed(m, never, 1, f"never_{r}")
            m.d.sync += [up.eq((n << 1) >= triple), down.eq((n << 2) < triple)]

            rounded = Signal(6, name=f"rounded_{r}")
            m.d.comb += rounded.eq(code + up - down)
            result = Signal.like(self.o[r], name=f"result_{r}", reset_less=True)
            m.d.sync += result.eq(Mux(never | (rounded > NEVER), NEVER, rounded))
            m.d.comb += self.o[r].eq(delayed(m, result, spare, f"result_{r}"))
        return m

    def _normalize(self, m: Module, r: int) -> tuple[Signal, Signal]:
        """Return e of lane r moved left until its top bit is set, and how far; 4 cycles later."""
        value, count = self.i[r], Signal(0)
        for bit in (3, 2, 1, 0):
            moved = Signal(16, name=f"value_{r}_{bit}", reset_less=True)
            moves = Signal(4 - bit, name=f"moves_{r}_{bit}", reset_less=True)
            free = ~value[-1 << bit :].any()
            m.d.sync += [
                moved.eq(Mux(free, value << (1 << bit), value)),
                moves.eq(Cat(free, count)),
            ]
            value, count = moved, moves
        return value, count
