"""Normalisation of a row's elements by its statistics, then gain, offset and clamp."""

from typing import Any

from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import command_layout, word_layout
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.product import wide_multiplier
from vitaccel.hw.primitives.round_clamp import TWICE_BITS, RoundClamp, limits
from vitaccel.hw.primitives.round_shift import RoundShift
from vitaccel.hw.primitives.window_shift import Distance, WindowShift, distance
from vitaccel.hw.shared import Shared
from vitaccel.hw.vector.marker import marked_layout
from vitaccel.hw.vector.moments import SCALED
from vitaccel.hw.vector.products import ProductPort, products_latency

__all__ = ["Standardize", "gain_delay", "offset_delay", "standardize_latency", "statistics_layout"]

S_LEAST = 4  # s of docs/architecture.md is 4 to 19, see `statistics_layout`
U_BITS = 18
SUM_BITS = 35  # u·gain + offset
SHIFT_BITS = 5  # post_shift - 1


def statistics_layout() -> data.StructLayout:
    """What a row's elements need: 16 times the mean, inverse deviation and s - 4.

    s = 10 - ceil(log2 D) + floor(log2(V) / 2) lies in 4 .. 19, because integers whose variance is
    not 0 have V >= D - 1, and V < (D·1020)² (X is -1024 to 1016).
    """
    return data.StructLayout({"mu": signed(16), "inverse": 16, "shift": 4})


def gain_delay(config: AcceleratorConfig) -> int:
    """Cycles from a word to the gain of its channels."""
    return products_latency(config) + RoundShift.LATENCY


def offset_delay(config: AcceleratorConfig) -> int:
    """Cycles from a word to the offset of its channels."""
    return gain_delay(config) + wide_multiplier(config.vector_products).LATENCY


def standardize_latency(config: AcceleratorConfig) -> int:
    """Cycles from a word to its result."""
    return offset_delay(config) + 1 + WindowShift.LATENCY + RoundClamp.LATENCY


class Standardize(wiring.Component):
    """Computes u and y of docs/architecture.md, VECTOR, in R lanes.

    ``u = clamp18((((X << 4) - mu)·inverse + 2**(s-1)) >> s)``, then
    ``y = clamp((u·gain + offset + 2**(post_shift-1)) >> post_shift, low, high)``.

    Parameters
    ----------
    config
        Sets the lanes of a word; ``vector_products``.

    Members
    -------
    fields : In(command_layout(NORM))
        ``post_shift`` (1 to 32), ``low``, ``high`` are used; constant while words are inside.
    i : In(marked word of signed(11) lanes), statistics : In(statistics_layout), i_valid : In(1)
        A word and its row's statistics; lanes outside the row hold anything.
    gain : In(R lanes of unsigned(16)), offset : In(R lanes of unsigned(32))
        Two's complement parameters of the word that came `gain_delay` or `offset_delay` cycles ago.
    product : Out(ProductPort)
        Makes the products of elements and ``inverse``.
    o : Out(word), o_valid : Out(1)
        Result; lanes outside the row are 0.

    Timing
    ------
    Latency `standardize_latency` cycles; one word per cycle; never stalls.

    Numerics
    --------
    Exact.
    """

    fields: data.View
    i: data.View
    statistics: data.View
    i_valid: Signal
    gain: data.View
    offset: data.View
    product: Any
    o: data.View
    o_valid: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "fields": In(command_layout(isa.Op.NORM)),
            "i": In(marked_layout(config, SCALED)),
            "statistics": In(statistics_layout()),
            "i_valid": In(1),
            "gain": In(data.ArrayLayout(unsigned(16), config.rows)),
            "offset": In(data.ArrayLayout(unsigned(32), config.rows)),
            "product": Out(ProductPort(config)),
            "o": Out(word_layout(config)),
            "o_valid": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        latency = standardize_latency(self.config)
        shift = delayed(m, self.statistics.shift, products_latency(self.config), "shift")
        post_shift = Signal(SHIFT_BITS)
        m.d.sync += post_shift.eq(self.fields.post_shift - 1)
        post = distance(m, post_shift, "_post")
        bounds = limits(m, self.fields.low, self.fields.high)
        mask = delayed(m, self.i.mask, latency - 1, "mask")
        m.d.comb += [
            self.o_valid.eq(delayed(m, self.i_valid, latency, "valid", reset_less=False)),
            self.product.factor.eq(self.statistics.inverse),
        ]
        for r in range(self.config.rows):
            total = self._affine(m, r, self._standard(m, r, shift))
            clamp = self._clamp(m, r, total, post)
            m.d.comb += [
                clamp.limits.eq(bounds),
                clamp.ends.eq(bounds),  # they do not change
                clamp.use_code.eq(~mask[r]),
                clamp.code.eq(0),
                self.o[r].eq(clamp.o),
            ]
        return m

    def _standard(self, m: Module, r: int, shift: Signal) -> Signal:
        """Return u of lane r, `gain_delay` cycles after its element."""
        standard = RoundShift(32 - S_LEAST + 1, 4, U_BITS)
        m.submodules[f"standard_{r}"] = Shared(standard)
        m.d.comb += [
            self.product.elements[r].eq((self.i.lanes[r] << 4) - self.statistics.mu),
            standard.i.eq(self.product.products[r][S_LEAST - 1 : 32]),
            standard.shift.eq(shift),
        ]
        return standard.o

    def _affine(self, m: Module, r: int, u: Signal) -> Signal:
        """Return ``u·gain + offset`` of lane r, `offset_delay` + 1 cycles after its element."""
        multiplier = wide_multiplier(self.config.vector_products)
        m.submodules[f"gain_{r}"] = product = multiplier(signed(U_BITS), signed(16))
        total = Signal(signed(SUM_BITS), name=f"total_{r}", reset_less=True)
        m.d.comb += [product.a.eq(u), product.b.eq(self.gain[r])]
        m.d.sync += total.eq(product.p + self.offset[r].as_signed())
        return total

    def _clamp(self, m: Module, r: int, total: Signal, post: Distance) -> RoundClamp:
        """Shift the sum of lane r and join it to what rounds and clamps."""
        shift = WindowShift(SUM_BITS, SHIFT_BITS, TWICE_BITS)
        clamp = RoundClamp(coded=True)
        m.submodules[f"shift_{r}"] = Shared(shift)
        m.submodules[f"clamp_{r}"] = Shared(clamp)
        m.d.comb += [
            shift.i.eq(total),
            shift.coarse.eq(post.coarse),
            shift.fine.eq(post.fine),
            shift.near.eq(post.near),
            clamp.twice.eq(shift.o),
            clamp.over.eq(shift.over),
            clamp.negative.eq(shift.negative),
        ]
        return clamp
