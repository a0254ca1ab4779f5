"""Sums of products of one lane of the depthwise engine."""

from operator import add

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.product import narrow_multiplier
from vitaccel.hw.primitives.tree import reduce_tree, tree_latency
from vitaccel.windows import sum_bits

__all__ = ["TapLane", "tap_latency"]


def tap_latency(config: AcceleratorConfig) -> int:
    """Cycles from operands to the sum of their products, not yet accumulated."""
    product = narrow_multiplier(config.depthwise_products).LATENCY
    return product + tree_latency(config.depthwise_taps)


class TapLane(wiring.Component):
    """Accumulate ``depthwise_taps`` products at a time.

    Parameters
    ----------
    config
        ``depthwise_taps``, ``depthwise_bits``, ``depthwise_products``.

    Members
    -------
    pixels : In(array of depthwise_taps times 8 bits)
        Operands: uint8 if ``is_unsigned``, else int8.
    weights : In(array of depthwise_taps times signed(depthwise_bits))
        The others.
    is_unsigned : In(1)
        Constant while there are sums under way.
    works, first : In(1)
        The products of `tap_latency` cycles ago count; they begin a sum.
    o : Out(signed(sum_bits))
        The sum with everything that counted up to the cycle before.

    Timing
    ------
    A step per cycle; never stalls.
    """

    pixels: data.View
    weights: data.View
    is_unsigned: Signal
    works: Signal
    first: Signal
    o: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        taps = config.depthwise_taps
        super().__init__({
            "pixels": In(data.ArrayLayout(unsigned(8), taps)),
            "weights": In(data.ArrayLayout(signed(config.depthwise_bits), taps)),
            "is_unsigned": In(1),
            "works": In(1),
            "first": In(1),
            "o": Out(signed(sum_bits(config))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        multiplier = narrow_multiplier(self.config.depthwise_products)
        products = []
        for t in range(self.config.depthwise_taps):
            pixel, weight = self.pixels[t], self.weights[t]
            product = multiplier(signed(9), signed(self.config.depthwise_bits))
            m.submodules[f"product_{t}"] = product
            sign = pixel[-1] & ~self.is_unsigned
            m.d.comb += [
                product.a.eq(Mux(sign, pixel.as_signed(), pixel)),
                product.b.eq(weight),
            ]
            products.append(product.p)
        total = reduce_tree(m, products, add, name="total")
        held = Signal.like(self.o, reset_less=True)
        m.d.comb += self.o.eq(held)
        with m.If(self.works):
            m.d.sync += held.eq(Mux(self.first, 0, held) + total)
        return m
