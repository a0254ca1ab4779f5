"""Reciprocal of a normalised 16-bit integer."""

from amaranth import Cat, Module, Mux
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.vector.iterate import Chain

__all__ = ["Reciprocal", "divisor_layout", "inverse_layout"]

BITS = 16


def divisor_layout(tag: ShapeLike) -> data.StructLayout:
    """Number to invert, and bits that stay with it."""
    return data.StructLayout({"n": BITS, "tag": tag})


def inverse_layout(tag: ShapeLike) -> data.StructLayout:
    """Reciprocal, with its number and tag."""
    return data.StructLayout({"inverse": BITS, "n": BITS, "tag": tag})


def _step(now: data.View) -> dict:
    """Next bit of the quotient: whether ``2·rest`` is at least n."""
    rest = Cat(0, now.rest)
    left = rest - now.n
    fits = ~left[-1]
    return {"rest": Mux(fits, left, rest), "inverse": Cat(fits, now.inverse)}


class Reciprocal(wiring.Component):
    """Computes ``inverse = min(65535, floor(2**31 / n))``, one bit per cycle.

    The quotient of 2**31 by 2**15 would need a 17th bit; without it the recurrence gives 65535.

    Parameters
    ----------
    tag
        Shape of what travels along.
    n_stages
        Divisor of 16: numbers that are worked on at once.

    Members
    -------
    i : In(stream of divisor_layout, always ready)
        n from 2**15 to 2**16 - 1; numbers come ``16 / n_stages`` cycles apart or more.
    o : Out(stream of inverse_layout, always ready)
        Its reciprocal, 2**15 to 65535.

    Timing
    ------
    Latency `LATENCY` cycles. `o` is a register; nothing waits.

    Numerics
    --------
    Exact for n in range, otherwise unspecified. Golden twin: `golden.ops.reciprocal`.

    Source
    ------
    Restoring division, radix 2 (Ercegovac and Lang, Digital Arithmetic, 2004, chapter 1).
    """

    i: stream.Interface
    o: stream.Interface

    LATENCY = BITS

    def __init__(self, tag: ShapeLike, n_stages: int) -> None:
        self.tag = tag
        self.n_stages = n_stages
        super().__init__({
            "i": In(stream.Signature(divisor_layout(tag), always_ready=True)),
            "o": Out(stream.Signature(inverse_layout(tag), always_ready=True)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = data.StructLayout({"rest": BITS, "inverse": BITS, "n": BITS, "tag": self.tag})
        stages = [(BITS // self.n_stages, _step)] * self.n_stages
        m.submodules.steps = steps = Chain(layout, stages)
        m.d.comb += [
            steps.i.p.rest.eq(1 << BITS - 1),
            steps.i.p.n.eq(self.i.p.n),
            steps.i.p.tag.eq(self.i.p.tag),
            steps.i.valid.eq(self.i.valid),
            self.o.p.inverse.eq(steps.o.p.inverse),
            self.o.p.n.eq(steps.o.p.n),
            self.o.p.tag.eq(steps.o.p.tag),
            self.o.valid.eq(steps.o.valid),
        ]
        return m
