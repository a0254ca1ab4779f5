"""Where products are made: in multiplier blocks or in LUTs."""

from vitaccel.config import Products
from vitaccel.hw.primitives.lut_multiplier import LutMultiplier
from vitaccel.hw.primitives.multiplier import Multiplier

__all__ = ["narrow_multiplier", "wide_multiplier"]

Kind = type[Multiplier] | type[LutMultiplier]


def wide_multiplier(where: Products) -> Kind:
    """Multiplier of factors of more than 13 bits, see `AcceleratorConfig`."""
    return LutMultiplier if where == "luts" else Multiplier


def narrow_multiplier(where: Products) -> Kind:
    """Multiplier with a factor of 13 bits or less."""
    return Multiplier if where == "blocks" else LutMultiplier
