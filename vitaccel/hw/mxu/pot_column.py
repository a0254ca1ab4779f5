"""Column of processing elements without multipliers: sign, zero and shift."""

from collections.abc import Sequence

from amaranth import Module, Mux, Shape, Signal, Value, signed

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.column import Column, lane_values

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
    ) -> Sequence[Value]:
        bits = self.config.pot_bits
        code = stationary[4:] if self.high_nibble else stationary
        moved, amount = Mux(code[bits - 1], -lane, lane), code[: bits - 1]
        if self.config.log2_attention:
            moved = Mux(wide, stationary.as_signed(), moved)
            amount = Mux(wide, ~lane[:4], amount)

        # -lane needs no more bits than the lane, whose lowest value never occurs.
        operand = Signal(signed(max(len(lane), 8)), name=f"operand_{row}", reset_less=True)
        shift = Signal(len(amount), name=f"shift_{row}", reset_less=True)
        m.d.sync += [operand.eq(Mux(amount == 0, 0, moved)), shift.eq(amount)]

        width = Shape.cast(self._product_values()[0]).width
        product = Signal(signed(width), name=f"product_{row}", reset_less=True)
        m.d.sync += product.eq((operand << shift) >> 1)
        return [product]
