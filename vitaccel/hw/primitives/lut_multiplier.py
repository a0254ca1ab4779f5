"""Multiplier of LUTs and carry chains."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.carry_chain import carry_chain, extended
from vitaccel.hw.primitives.multiplier import Multiplier, on_ecp5, product_shape

__all__ = ["LutMultiplier", "ShortLutMultiplier"]

# Of a slice that adds (A & B) + (C & D), or (C & D) - (A & B) with a carry in, see `carry_chain`.
ADD, SUBTRACT = 0x7888, 0x8777


@dataclass(frozen=True)
class _Rows:
    """Sum of neighbouring partial products: one operand times ``n_rows`` bits of the other."""

    value: Value
    n_rows: int


class LutMultiplier(wiring.Component):
    """Product by a tree of adders, registered after every level.

    Computes ``p = a * b``, all bits kept.

    Parameters
    ----------
    a_shape, b_shape
        Operands; two bits of the narrower one, b if they are equal, are a leaf of the tree. From 17
        bits on the last register has more than one level before it.

    Members
    -------
    a, b, p
        As `Multiplier`.

    Timing
    ------
    Latency `LATENCY` cycles; one product per cycle; never stalls.

    Source
    ------
    Lattice FPGA-TN-02216 (ECP5 slices): each half of ``CCU2C`` has four inputs, enough for a bit of
    two rows and of b for both, so the first level of the tree needs no other LUT. Yosys makes LUTs
    of the partial products beside the carry chain.
    """

    a: Signal
    b: Signal
    p: Signal

    LATENCY = 4

    def __init__(self, a_shape: ShapeLike, b_shape: ShapeLike) -> None:
        super().__init__({
            "a": In(a_shape),
            "b": In(b_shape),
            "p": Out(product_shape(a_shape, b_shape)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        wide, narrow = (self.a, self.b) if len(self.a) >= len(self.b) else (self.b, self.a)
        add = _chain if on_ecp5(platform) else _sum
        pairs = _pairs(m, wide, narrow, add)
        level = [_register(m, rows, f"level_0_{k}") for k, rows in enumerate(pairs)]
        for n in range(1, self.LATENCY):
            level = _joined(level)
            while n == self.LATENCY - 1 and len(level) > 1:
                level = _joined(level)
            level = [_register(m, rows, f"level_{n}_{k}") for k, rows in enumerate(level)]
        m.d.comb += self.p.eq(level[0].value)
        return m


class ShortLutMultiplier(LutMultiplier):
    """The same within the latency of `Multiplier`: one register halfway, one at the end."""

    LATENCY = Multiplier.LATENCY


def _pairs(m: Module, wide: Value, narrow: Value, add: Callable[..., Value]) -> list[_Rows]:
    """Add two rows each; the last one is subtracted if it stands for a sign."""
    alone = len(narrow) % 2  # the first, as the last may be a sign
    pairs = [_Rows(Mux(narrow[0], wide, 0), 1)] if alone else []
    for n in range(alone, len(narrow), 2):
        negative = narrow.shape().signed and n + 2 == len(narrow)
        pairs.append(_Rows(add(m, wide, narrow[n : n + 2], negative, f"pair_{n}"), 2))
    return pairs


def _sum(m: Module, wide: Value, bits: Value, negative: bool, name: str) -> Value:
    """``wide`` times two bits, of which the upper one may count negative."""
    low, high = (Mux(bit, wide, 0) for bit in bits)
    return low - (high << 1) if negative else low + (high << 1)


def _chain(m: Module, wide: Value, bits: Value, negative: bool, name: str) -> Value:
    """The same by instances of ``CCU2C``, but for the lowest bit, to which nothing is added."""
    width = len(wide) + 1
    long = extended(wide, width + 1)
    low, high = (bit.replicate(width) for bit in bits)
    inputs = long[:width], high, long[1:], low
    total = carry_chain(m, name, inputs, SUBTRACT if negative else ADD, Const(int(negative), 1))
    value = Cat(wide[0] & bits[0], total)
    return value.as_signed() if negative or wide.shape().signed else value


def _joined(level: list[_Rows]) -> list[_Rows]:
    """Add neighbours; the last of an odd number stays alone."""
    pairs = [_add(*pair) for pair in zip(level[::2], level[1::2], strict=False)]
    return pairs + level[len(level) - len(level) % 2 :]


def _add(low: _Rows, high: _Rows) -> _Rows:
    """Bits of ``low`` below ``high`` are those of the sum."""
    total = (low.value >> low.n_rows) + high.value
    value = Cat(low.value[: low.n_rows], total[: len(high.value)])
    return _Rows(value.as_signed() if total.shape().signed else value, low.n_rows + high.n_rows)


def _register(m: Module, rows: _Rows, name: str) -> _Rows:
    register = Signal(rows.value.shape(), name=name, reset_less=True)
    m.d.sync += register.eq(rows.value)
    return _Rows(register, rows.n_rows)
