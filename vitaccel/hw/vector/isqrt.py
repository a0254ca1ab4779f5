"""Exact integer square root."""

from amaranth import Cat, Module, Mux
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.vector.iterate import Chain

__all__ = ["Isqrt", "radicand_layout", "root_layout"]

ROOT_BITS = 16


def radicand_layout(tag: ShapeLike) -> data.StructLayout:
    """Number to take the root of, and bits that stay with it."""
    return data.StructLayout({"value": 2 * ROOT_BITS, "tag": tag})


def root_layout(tag: ShapeLike) -> data.StructLayout:
    """Root, and the tag of its number."""
    return data.StructLayout({"root": ROOT_BITS, "tag": tag})


def _step(now: data.View) -> dict:
    """Next bit of the root: whether ``4·rest + two bits`` is at least ``4·root + 1``."""
    rest = Cat(now.value[-2:], now.rest)
    left = rest - Cat(1, 0, now.root)
    fits = ~left[-1]
    return {
        "value": now.value << 2,
        "rest": Mux(fits, left, rest),
        "root": Cat(fits, now.root),
    }


class Isqrt(wiring.Component):
    """Computes ``root = floor(sqrt(value))``, one bit per cycle.

    Parameters
    ----------
    tag
        Shape of what travels along.
    n_stages
        Divisor of 16: numbers that are worked on at once.

    Members
    -------
    i : In(stream of radicand_layout, always ready)
        Any 32-bit number; numbers come ``16 / n_stages`` cycles apart or more.
    o : Out(stream of root_layout, always ready)
        Its root, 0 to 65535.

    Timing
    ------
    Latency `LATENCY` cycles. `o` is a register; nothing waits.

    Numerics
    --------
    Exact. Golden twin: `golden.ops.isqrt`.

    Source
    ------
    Restoring digit recurrence, radix 2 (Ercegovac and Lang, Digital Arithmetic, 2004, chapter 6).
    """

    i: stream.Interface
    o: stream.Interface

    LATENCY = ROOT_BITS

    def __init__(self, tag: ShapeLike, n_stages: int) -> None:
        self.tag = tag
        self.n_stages = n_stages
        super().__init__({
            "i": In(stream.Signature(radicand_layout(tag), always_ready=True)),
            "o": Out(stream.Signature(root_layout(tag), always_ready=True)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = data.StructLayout({
            "value": 2 * ROOT_BITS,  # bits not yet used, from the top
            "rest": ROOT_BITS + 1,  # at most 2 root
            "root": ROOT_BITS,
            "tag": self.tag,
        })
        stages = [(ROOT_BITS // self.n_stages, _step)] * self.n_stages
        m.submodules.steps = steps = Chain(layout, stages)
        m.d.comb += [
            steps.i.p.value.eq(self.i.p.value),
            steps.i.p.tag.eq(self.i.p.tag),
            steps.i.valid.eq(self.i.valid),
            self.o.p.root.eq(steps.o.p.root),
            self.o.p.tag.eq(steps.o.p.tag),
            self.o.valid.eq(steps.o.valid),
        ]
        return m
