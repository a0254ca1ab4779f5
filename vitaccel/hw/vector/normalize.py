"""Left-alignment of a number, with the distance it was moved."""

from amaranth import Cat, Const, Module, Mux
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from vitaccel.hw.vector.iterate import Chain, Step

__all__ = ["Normalize", "aligned_layout", "number_layout"]


def number_layout(width: int, tag: ShapeLike) -> data.StructLayout:
    """Number, and bits that stay with it."""
    return data.StructLayout({"value": width, "tag": tag})


def aligned_layout(width: int, count_bits: int, tag: ShapeLike) -> data.StructLayout:
    """Number moved left by ``count`` units, cut to its top bits; ``zero``: it has no bit set."""
    return data.StructLayout({"value": width, "count": count_bits, "zero": 1, "tag": tag})


class Normalize(wiring.Component):
    """Move a number left in units of ``unit`` bits until one of its ``unit`` top bits is set.

    Parameters
    ----------
    width
        Bits of the number, a multiple of ``unit``.
    unit
        Bits of a unit: 1, or 2 for numbers whose root is taken.
    out_width
        Bits that are kept, from the top; the rest is truncated.
    most
        Greatest number of units a number (except 0) needs to be moved.
    tag
        Shape of what travels along.

    Members
    -------
    i : In(stream of number_layout, always ready)
        Number.
    o : Out(stream of aligned_layout, always ready)
        Its top bits and the units moved; of 0, ``zero`` and an unspecified count.

    Timing
    ------
    Latency `latency` cycles: one for each bit of ``most``; one number per cycle. `o` depends on
    registers alone; nothing waits.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, width: int, unit: int, out_width: int, most: int, tag: ShapeLike) -> None:
        self.width = width
        self.unit = unit
        self.out_width = out_width
        self.latency = bits_for(most)
        self.tag = tag
        super().__init__({
            "i": In(stream.Signature(number_layout(width, tag), always_ready=True)),
            "o": Out(
                stream.Signature(aligned_layout(out_width, self.latency, tag), always_ready=True)
            ),
        })

    def _step(self, bit: int) -> Step:
        distance = self.unit << bit  # the top bits must be free, and as many must lie below
        n_top = min((1 << bit) * self.unit, self.width)

        def step(now: data.View) -> dict:
            free = ~now.value[-n_top:].any()
            moved = Cat(Const(0, distance), now.value)[: self.width]
            return {"value": Mux(free, moved, now.value), "count": Cat(free, now.count)}

        return step

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = data.StructLayout({"value": self.width, "count": self.latency, "tag": self.tag})
        stages = [(1, self._step(bit)) for bit in reversed(range(self.latency))]
        m.submodules.steps = steps = Chain(layout, stages)
        m.d.comb += [
            steps.i.p.value.eq(self.i.p.value),
            steps.i.p.tag.eq(self.i.p.tag),
            steps.i.valid.eq(self.i.valid),
            self.o.p.value.eq(steps.o.p.value[-self.out_width :]),
            self.o.p.count.eq(steps.o.p.count),
            self.o.p.zero.eq(~steps.o.p.value[-self.unit :].any()),
            self.o.p.tag.eq(steps.o.p.tag),
            self.o.valid.eq(steps.o.valid),
        ]
        return m
