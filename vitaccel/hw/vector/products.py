"""Products of LayerNorm's or softmax's elements and a factor of their row."""

from typing import Any

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.product import wide_multiplier

__all__ = ["ProductPort", "Products", "products_latency"]

ELEMENT, FACTOR = signed(17), unsigned(16)


def products_latency(config: AcceleratorConfig) -> int:
    """Cycles from elements to their products."""
    return wide_multiplier(config.vector_products).LATENCY


def ProductPort(config: AcceleratorConfig) -> wiring.Signature:  # a name like ReadPort: used alike
    """Elements and their factor out; products in, `products_latency` cycles later."""
    return wiring.Signature({
        "elements": Out(data.ArrayLayout(ELEMENT, config.rows)),
        "factor": Out(FACTOR),
        "products": In(data.ArrayLayout(signed(33), config.rows)),
    })


class Products(wiring.Component):
    """R multipliers that two operators share; one of them is at work at a time.

    Parameters
    ----------
    config
        Sets the lanes; ``vector_products``.

    Members
    -------
    first, second : In(ProductPort)
        Operators.
    use_second : In(1)
        Which one is at work.

    Timing
    ------
    Latency `products_latency` cycles, one product per lane and cycle, never stalls.
    """

    first: Any
    second: Any
    use_second: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "first": In(ProductPort(config)),
            "second": In(ProductPort(config)),
            "use_second": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        multiplier = wide_multiplier(self.config.vector_products)
        factor = Mux(self.use_second, self.second.factor, self.first.factor)
        for r in range(self.config.rows):
            m.submodules[f"lane_{r}"] = lane = multiplier(ELEMENT, FACTOR)
            m.d.comb += [
                lane.a.eq(Mux(self.use_second, self.second.elements[r], self.first.elements[r])),
                lane.b.eq(factor),
                self.first.products[r].eq(lane.p),
                self.second.products[r].eq(lane.p),
            ]
        return m
