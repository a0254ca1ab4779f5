"""Addresses of nested loops, one per cycle."""

from amaranth import Cat, Module, Mux, Signal, Value
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
        ends = Signal(self.n_loops, reset_less=True)  # loop k is in its last iteration
        take = Signal()
        step = Signal()
        final = Signal()
        m.d.comb += [
            final.eq(ends.all()),
            self.i.ready.eq(~self.o.valid | (self.o.ready & final)),
            take.eq(self.i.valid & self.i.ready),
            step.eq(self.o.valid & self.o.ready),
            self.o.p.last.eq(Cat(ends[k:].all() for k in range(self.n_loops))),
            self.o.p.ends.eq(ends),
        ]
        with m.If(take | step):
            m.d.sync += self.o.valid.eq(take | ~final)

        following = self.i.p.base  # where loop k starts next: past the walk's end, the next walk
        for k in range(self.n_loops):
            moves = Signal(name=f"moves_{k}")
            m.d.comb += moves.eq(step & ends[k + 1 :].all())
            self._count(m, k, ends[k], take, moves)
            following = self._address(m, k, ends[k], take, moves, following)
        return m

    def _count(self, m: Module, k: int, end: Value, take: Signal, moves: Signal) -> None:
        """Find out in each iteration of loop k whether the next one is the last."""
        count = Signal(COUNT_BITS, name=f"count_{k}", reset_less=True)
        single = Signal(name=f"single_{k}", reset_less=True)
        ahead = Signal(COUNT_BITS, name=f"ahead_{k}", reset_less=True)  # the next iteration, from 1
        given = self.i.p.counts[k]
        with m.If(take):
            m.d.sync += [count.eq(given), single.eq(given == 1), end.eq(given == 1), ahead.eq(2)]
        with m.Elif(moves & end):
            m.d.sync += [end.eq(single), ahead.eq(2)]
        with m.Elif(moves):
            m.d.sync += [end.eq(ahead == count), ahead.eq(ahead + 1)]

    def _address(
        self, m: Module, k: int, end: Value, take: Signal, moves: Signal, outer: Value
    ) -> Signal:
        """Address at which this iteration of loop k began; return that of the next one."""
        start = Signal(ADDRESS_BITS, name=f"start_{k}", reset_less=True)
        stride = Signal(STRIDE_BITS, name=f"stride_{k}", reset_less=True)
        following = Signal(ADDRESS_BITS, name=f"following_{k}")
        m.d.comb += following.eq(Mux(take | end, outer, start + stride))
        with m.If(take | moves):
            m.d.sync += start.eq(following)
        with m.If(take):
            m.d.sync += stride.eq(self.i.p.strides[k])
        if k == self.n_loops - 1:
            m.d.comb += self.o.p.address.eq(start)
        return following
