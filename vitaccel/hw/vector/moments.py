"""Sums of a row and of its squares."""

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.product import narrow_multiplier
from vitaccel.hw.primitives.tree import reduce_tree, tree_latency
from vitaccel.hw.vector.marker import marked_layout

__all__ = ["SCALED", "Moments", "moments_latency", "moments_layout"]

SCALED = signed(11)  # int8 moved left by 0 to 3


def moments_layout() -> data.StructLayout:
    """Sum of up to 2048 scaled elements, and of their squares (at most 2**31)."""
    return data.StructLayout({"s1": signed(22), "s2": 32})


def moments_latency(config: AcceleratorConfig) -> int:
    """Cycles from a row's last word to its sums."""
    return narrow_multiplier(config.vector_products).LATENCY + tree_latency(config.rows) + 1


class Moments(wiring.Component):
    """Computes ``s1 = ΣX`` and ``s2 = ΣX²`` over the words of each row.

    Parameters
    ----------
    config
        Sets the lanes of a word; ``vector_products``.

    Members
    -------
    i : In(marked word of signed(11) lanes), i_valid : In(1)
        Words, lanes outside the row 0.
    o : Out(moments_layout), o_valid : Out(1)
        Sums of a row, for one cycle.

    Timing
    ------
    Sums come `moments_latency` cycles after the row's last word. One word per cycle, never stalls.

    Numerics
    --------
    Exact for rows of at most 2048 elements.
    """

    i: data.View
    i_valid: Signal
    o: data.View
    o_valid: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "i": In(marked_layout(config, SCALED)),
            "i_valid": In(1),
            "o": Out(moments_layout()),
            "o_valid": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        squares = []
        multiplier = narrow_multiplier(self.config.vector_products)
        for r, lane in enumerate(self.i.lanes):
            m.submodules[f"square_{r}"] = square = multiplier(SCALED, SCALED)
            m.d.comb += [square.a.eq(lane), square.b.eq(lane)]
            squares.append(square.p[: 2 * SCALED.width - 1])  # not negative: sign bit dropped

        def add(a: Value, b: Value) -> Value:
            return a + b

        total = reduce_tree(m, list(self.i.lanes), add, name="sum")
        total = delayed(m, total, multiplier.LATENCY, "sum")
        total_squares = reduce_tree(m, squares, add, name="sum_squares")

        levels = moments_latency(self.config) - 1
        valid = delayed(m, self.i_valid, levels, "valid", reset_less=False)
        last = delayed(m, self.i.last, levels, "last")
        fresh = Signal(init=1)
        m.d.sync += self.o_valid.eq(valid & last)
        with m.If(valid):
            m.d.sync += [
                fresh.eq(last),
                self.o.s1.eq(Mux(fresh, 0, self.o.s1) + total),
                self.o.s2.eq(Mux(fresh, 0, self.o.s2) + total_squares),
            ]
        return m
