"""Addresses of nested loops, one per cycle."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.ports import ADDRESS_BITS

__all__ = ["Walk", "step_layout", "walk_layout"]

COUNT_BITS = 16
STRIDE_BITS = 16


def walk_layout(n_loops: int) -> data.StructLayout:
    """Start, iterations (1 to 65535) and words per iteration of each loop, outermost first."""
    return data.StructLayout({
        "base": ADDRESS_BITS,
        "counts": data.ArrayLayout(COUNT_BITS, n_loops),
        "strides": data.ArrayLayout(STRIDE_BITS, n_loops),
    })


def step_layout(n_loops: int) -> data.StructLayout:
    """One address; ``last[k]``: loop k and all loops inside it are in their last iteration."""
    return data.StructLayout({
        "address": ADDRESS_BITS,
        "last": n_loops,
        "ends": n_loops,  # loop k is in its last iteration, whatever those inside it are
    })


class Walk(wiring.Component):
    """Turn a loop nest into its addresses ``base + sum(i_k * strides_k)``, innermost loop fastest.

    Parameters
    ----------
    n_loops
        Loops of the nest, loop 0 outermost; `walk_layout` gives the descriptor.

    Members
    -------
    i : In(stream of walk_layout)
        A nest; taken with the last step of the former one.
    o : Out(stream of step_layout)
        Its addresses. ``last[0]`` marks the end of the walk, ``last[n_loops - 1]`` the end of each
        run of the innermost loop.

    Timing
    ------
    First address 1 cycle after the descriptor, then one per cycle, also across descriptors.
    Payload and valid of `o` are registers; combinational path from ``o.ready`` to ``i.ready``.

    Numerics
    --------
    Addresses wrap at 2**20. Every address follows a smaller one of the same walk by at most one
    16-bit stride, so the first one past a memory of up to 2**16 words is seen there as it is:
    wrapping cannot hide an illegal walk.
    """

    i: stream.Interface
    o: stream.Interface

    LATENCY = 1

    def __init__(self, n_loops: int) -> None:
        self.n_loops = n_loops
        super().__init__({
            "i": In(stream.Signature(walk_layout(n_loops))),
            "o": Out(stream.Signature(step_layout(n_loops))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        loops = range(self.n_loops)
        ends = Signal(self.n_loops, reset_less=True)  # loop k is in its last iteration
        last = Signal(self.n_loops, reset_less=True)  # and so are all inside it
        take = Signal()
        step = Signal()
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | (self.o.ready & last[0])),
            take.eq(self.i.valid & self.i.ready),
            step.eq(self.o.valid & self.o.ready),
            self.o.p.last.eq(last),
            self.o.p.ends.eq(ends),
        ]
        # `take` and `step` come late, from whoever takes the addresses: they choose at the end.
        single = Cat(count == 1 for count in self.i.p.counts)
        moved = Cat(last[1:], 1)  # loops that a step takes to their next iteration
        moves = [step & loop for loop in moved]
        after = [self._count(m, k, ends[k], take, moves[k]) for k in loops]
        ends_next = Cat(Mux(moved[k], after[k], ends[k]) for k in loops)  # if there is a step
        with m.If(take):
            m.d.sync += [self.o.valid.eq(1), ends.eq(single), last.eq(_from_inside(single))]
        with m.Elif(step):
            m.d.sync += [
                self.o.valid.eq(~last[0]),
                ends.eq(ends_next),
                last.eq(_from_inside(ends_next)),
            ]
        following: Value = Const(0)  # past the walk's end
        for k in loops:
            following = self._address(m, k, ends[k], take, moves[k], following)
        return m

    def _count(self, m: Module, k: int, end: Value, take: Signal, moves: Value) -> Value:
        """Return whether the next iteration of loop k is its last."""
        count = Signal(COUNT_BITS, name=f"count_{k}", reset_less=True)
        single = Signal(name=f"single_{k}", reset_less=True)
        left = Signal(COUNT_BITS, name=f"left_{k}", reset_less=True)  # this iteration included
        given = self.i.p.counts[k]
        with m.If(take):
            m.d.sync += [count.eq(given), single.eq(given == 1), left.eq(given)]
        with m.Elif(moves):
            m.d.sync += left.eq(Mux(end, count, left - 1))
        return Mux(end, single, left == 2)

    def _address(
        self, m: Module, k: int, end: Value, take: Signal, moves: Value, outer: Value
    ) -> Value:
        """Address at which this iteration of loop k began; return that of the next one."""
        start = Signal(ADDRESS_BITS, name=f"start_{k}", reset_less=True)
        stride = Signal(STRIDE_BITS, name=f"stride_{k}", reset_less=True)
        following = Signal(ADDRESS_BITS, name=f"following_{k}")
        m.d.comb += following.eq(Mux(end, outer, start + stride) if k else start + stride)
        with m.If(take):
            m.d.sync += [start.eq(self.i.p.base), stride.eq(self.i.p.strides[k])]
        with m.Elif(moves):
            m.d.sync += start.eq(following)
        if k == self.n_loops - 1:
            m.d.comb += self.o.p.address.eq(start)
        return following


def _from_inside(ends: Value) -> Value:
    """Bit k: loop k and all loops inside it end."""
    return Cat(ends[k:].all() for k in range(len(ends)))
