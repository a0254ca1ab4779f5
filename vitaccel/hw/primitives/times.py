"""Product with a constant."""

from functools import reduce
from operator import add

from amaranth import Value

__all__ = ["times"]


def times(value: Value, factor: int) -> Value:
    """Return ``value * factor``, factor >= 1, by adders.

    Yosys would take a multiplier block for factors that are not powers of two.
    """
    bits = range(factor.bit_length())
    return reduce(add, (value << bit for bit in bits if factor >> bit & 1))
