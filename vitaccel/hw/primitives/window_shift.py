"""Shift to the right of which only the lowest bits matter."""

from typing import NamedTuple

from amaranth import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.quad_shift import quad_shifted

__all__ = ["Distance", "WindowShift", "distance"]

COARSE_BITS = 2  # of a distance: the uppermost


class Distance(NamedTuple):
    """How far to shift, in parts as `WindowShift` takes them."""

    coarse: Value
    fine: Value
    near: Value


def distance(m: Module, shift: Value, name: str = "") -> Distance:
    """Cut up a distance that is there for the first stage; ``name`` tells its registers apart."""
    fine_bits = len(shift) - COARSE_BITS
    coarse = shift[fine_bits:]
    near = Cat(coarse == 0, ~coarse[-1])
    return Distance(
        coarse,
        delayed(m, shift[:fine_bits], 1, f"fine{name}"),
        delayed(m, near, 1, f"near{name}"),
    )


class WindowShift(wiring.Component):
    """Computes ``i >> shift`` in few bits, and whether it needs more.

    Each stage keeps the bits alone that the next ones may need, and compares those that it drops
    with the sign.

    Parameters
    ----------
    in_width
        Bits of ``i``.
    shift_width
        Bits of the distance, at least 3, and enough: a distance of three quarters of its range or
        more leaves ``width`` bits or less.
    width
        Bits of the result.

    Members
    -------
    i : In(signed(in_width))
        Number.
    coarse : In(2)
        Upper bits of the distance.
    fine : In(shift_width - 2), near : In(2)
        Its lower bits, and whether coarse is 0, and below 2; one cycle later. `distance` makes
        all three.
    o : Out(signed(width))
        Result.
    over, negative : Out(1)
        Whether the result needs more bits; sign of ``i``. ``over`` has one gate behind a register.

    Timing
    ------
    Latency `LATENCY` cycles; one result per cycle; never stalls.
    """

    i: Signal
    coarse: Signal
    fine: Signal
    near: Signal
    o: Signal
    over: Signal
    negative: Signal

    LATENCY = 2

    def __init__(self, in_width: int, shift_width: int, width: int) -> None:
        self.fine_bits = shift_width - COARSE_BITS
        assert in_width <= width + (3 << self.fine_bits)
        super().__init__({
            "i": In(signed(in_width)),
            "coarse": In(unsigned(COARSE_BITS)),
            "fine": In(unsigned(self.fine_bits)),
            "near": In(2),
            "o": Out(signed(width)),
            "over": Out(1),
            "negative": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = 1 << self.fine_bits
        kept = len(self.o) + step - 1  # what the finer shift may need
        sign = self.i[-1]
        # Of the bits that the coarse shift may remove, those unlike the sign: three to a LUT.
        magnitude = self.i[:-1]
        groups = magnitude[kept : kept + step], magnitude[kept + step :]
        unlike = [
            Cat(
                delayed(m, _differs(bits[n : n + 3], sign), 1, f"unlike_{k}_{n}")
                for n in range(0, len(bits), 3)
            )
            for k, bits in enumerate(groups)
        ]
        over = [
            delayed(m, flags.any() & near, 1, f"over_{k}")
            for k, (flags, near) in enumerate(zip(unlike, self.near, strict=True))
        ]
        value = quad_shifted(m, "quad", self.i, self.coarse, step, kept)
        value = delayed(m, value, 1, "coarse")
        negative = delayed(m, sign, 1, "negative")
        for k in reversed(range(self.fine_bits)):
            width = len(self.o) + (1 << k) - 1
            lost = _differs(value[width:], negative) & ~self.fine[k]
            over.append(delayed(m, lost, 1, f"lost_{k}"))
            value = Mux(self.fine[k], value[1 << k :], value)[:width]
        m.d.comb += [
            self.o.eq(delayed(m, value, 1, "shifted")),
            self.negative.eq(delayed(m, negative, 1, "sign")),
            self.over.eq(Cat(over).any() | (self.o[-1] ^ self.negative)),
        ]
        return m


def _differs(bits: Value, sign: Value) -> Value:
    """Whether any of ``bits`` is not ``sign``."""
    return (bits ^ sign.replicate(len(bits))).any()
