"""Where products are made: in multiplier blocks or in LUTs."""

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.lut_multiplier import LutMultiplier
from vitaccel.hw.primitives.multiplier import Multiplier

__all__ = ["narrow_multiplier", "wide_multiplier"]

Kind = type[Multiplier] | type[LutMultiplier]


def wide_multiplier(config: AcceleratorConfig) -> Kind:
    """Multiplier of factors of more than 13 bits, see ``config.products``."""
    return LutMultiplier if config.products == "luts" else Multiplier


def narrow_multiplier(config: AcceleratorConfig) -> Kind:
    """Multiplier with a factor of 13 bits or less, see ``config.products``."""
    return Multiplier if config.products == "blocks" else LutMultiplier
