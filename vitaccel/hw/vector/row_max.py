"""Greatest element of a row."""

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.tree import reduce_tree, tree_latency
from vitaccel.hw.vector.marker import marked_layout

__all__ = ["RowMax", "row_max_latency"]

LEAST = -128


def row_max_latency(config: AcceleratorConfig) -> int:
    """Cycles from a row's last word to its maximum."""
    return 1 + tree_latency(config.rows) + 1


class RowMax(wiring.Component):
    """Computes the maximum over the words of each row.

    Parameters
    ----------
    config
        Sets the lanes of a word.

    Members
    -------
    i : In(marked word of signed(8) lanes), i_valid : In(1)
        Words.
    o : Out(signed(8)), o_valid : Out(1)
        Maximum of a row, for one cycle.

    Timing
    ------
    Latency `row_max_latency` cycles after the row's last word. One word per cycle, never stalls.
    """

    i: data.View
    i_valid: Signal
    o: Signal
    o_valid: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "i": In(marked_layout(config, signed(8))),
            "i_valid": In(1),
            "o": Out(signed(8)),
            "o_valid": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = [Signal(signed(8), name=f"lane_{r}") for r in range(self.config.rows)]
        m.d.sync += [
            lane.eq(Mux(self.i.mask[r], self.i.lanes[r], LEAST)) for r, lane in enumerate(lanes)
        ]

        def greater(a: Value, b: Value) -> Value:
            return Mux(a > b, a, b)

        greatest = reduce_tree(m, lanes, greater, name="greatest")
        cycles = row_max_latency(self.config) - 1
        valid = delayed(m, self.i_valid, cycles, "valid", reset_less=False)
        last = delayed(m, self.i.last, cycles, "last")
        fresh = Signal(init=1)
        m.d.sync += self.o_valid.eq(valid & last)
        with m.If(valid):
            m.d.sync += fresh.eq(last)
            with m.If(fresh | (greatest > self.o)):
                m.d.sync += self.o.eq(greatest)
        return m
