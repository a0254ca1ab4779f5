"""Column of processing elements without multipliers: sign, zero and shift."""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.column import Column, lane_values
from vitaccel.hw.primitives.select_adder import SelectAdder

__all__ = ["PotColumn"]


class PotColumn(Column):
    """Power-of-two elements, see `Column`.

    Weight code (``pot_bits``: sign above e): ``lane * (-1)**sign * 2**(e - 1)``, 0 if e = 0. With
    ``log2_attention``, wide stationary values v are int8 and the lane's low four bits a code q:
    ``v * 2**(14 - q)``, 0 if q = 15. Both are ``operand << amount >> 1``, 0 if amount is 0, which
    is e or 15 - q.

    Parameters
    ----------
    config
        See `Column`.
    odd
        Whether its number among the power-of-two columns is odd: with ``pot_bits`` up to 4 it then
        takes its code from the high nibble of the word of its left neighbour.
    """

    def __init__(self, config: AcceleratorConfig, odd: bool) -> None:
        self.high_nibble = config.pot_bits <= 4 and odd
        super().__init__(config)

    def _wanted(self) -> Value:
        control = self.control
        if not self.high_nibble:
            return control.tag == self.index
        return Mux(control.wide, control.tag == self.index, control.tag == self.index - 1)

    def _product_values(self) -> Sequence[range]:
        lanes = lane_values(self.config)
        exponent = 2 ** (self.config.pot_bits - 1) - 2
        extremes = [sign * lanes[at] << exponent for sign in (1, -1) for at in (0, -1)]
        if self.config.log2_attention:
            extremes += [-128 << 14, 127 << 14]
        return [range(min(extremes), max(extremes) + 1)]

    def _products(
        self, m: Module, row: int, lane: Value, stationary: Value, wide: Value
    ) -> Sequence[Any]:
        bits = self.config.pot_bits
        code = stationary[4:] if self.high_nibble else stationary
        moved, amount, negative = lane, code[: bits - 1], code[bits - 1]
        early = 1  # bits of the shift in the LUT that inverts
        if self.config.log2_attention:
            moved = Mux(wide, stationary.as_signed(), lane)
            amount = Mux(wide, ~lane[:4], amount)
            negative &= ~wide
            early = 0

        # -x is ~x + 1, which the adder adds.
        inverted = Mux(negative, ~moved, moved)
        shifted = _shifted(inverted, amount[:early], 0, negative)
        operand = Signal(shifted.shape(), name=f"operand_{row}", reset_less=True)
        shift = Signal(len(amount) - early, name=f"shift_{row}", reset_less=True)
        sign = Signal(name=f"sign_{row}", reset_less=True)
        m.d.sync += [operand.eq(shifted), shift.eq(amount[early:]), sign.eq(negative)]
        with m.If(amount == 0):
            m.d.sync += [operand.eq(0), sign.eq(0)]

        # The adder makes the greatest step of the shift.
        fine = _shifted(operand, shift[:-1], early, sign)
        layout = data.StructLayout({"fine": fine.shape(), "far": 1, "negative": 1})
        product = Signal(layout, name=f"product_{row}", reset_less=True)
        m.d.sync += [
            product.fine.eq(fine),
            product.far.eq(shift[-1]),
            product.negative.eq(sign),
        ]
        return [product]

    def _add(self, m: Module, name: str, above: Value, product: Any, width: int) -> Value:
        step = 1 << max(self.config.pot_bits - 1, 4 * self.config.log2_attention) - 1
        near = product.fine[1:].as_signed()
        far = Cat(product.negative.replicate(step - 1), product.fine).as_signed()
        adder = SelectAdder(above.shape(), near.shape(), far.shape(), width)
        m.submodules[f"adder_{name}"] = adder
        m.d.comb += [
            adder.a.eq(above),
            adder.b.eq(near),
            adder.c.eq(far),
            adder.select.eq(product.far),
            adder.carry.eq(product.negative),
        ]
        return adder.o


def _shifted(value: Value, amount: Value, done: int, fill: Value) -> Value:
    """``value << (amount << done)`` in which ``fill`` comes after the lowest bit."""
    most = (1 << len(amount) + done) - (1 << done)
    shifted = Cat(fill.replicate(most), value).as_signed() << Cat(Const(0, done), amount)
    return shifted[most:][: len(value) + most].as_signed()
