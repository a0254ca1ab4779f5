"""Range of the 8-bit value that an activation table is indexed by."""

import math
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from golden.network import Gelu
from golden.quantizers import bounds, quantize

__all__ = ["TableInput", "table_input"]

SAMPLES = 1 << 13  # values that the search looks at
FRACTIONS = tuple(k / 16 for k in range(4, 17))  # of the observed range, at either end


class TableInput(NamedTuple):
    """``value = scale * (y - offset)`` for y from -128 to 127; the bias brings in the offset."""

    scale: float
    offset: int

    def rounded(self, x: Tensor) -> Tensor:
        """Quantise and dequantise."""
        low, high = bounds(8)
        return (quantize(x, self.scale, low, high, self.offset) - self.offset) * self.scale


def table_input(x: Tensor, gelu: Gelu, power_of_two: bool) -> TableInput:
    """Choose the range that gives least square error after the activation.

    So what is flat or rare costs no resolution: below about -4 GELU is 0 within half a unit.

    Parameters
    ----------
    x
        Inputs of the activation, any shape.
    power_of_two
        Whether the scale must be one.
    """
    flat = x.double().flatten()
    flat = flat[:: max(1, len(flat) // SAMPLES)]
    first, last = min(0.0, flat.min().item()), max(0.0, flat.max().item())
    exact = functional.gelu(flat, approximate=gelu.approximate)
    best = (math.inf, TableInput(1.0, 0))
    for low, high in {(first * a, last * b) for a in FRACTIONS for b in FRACTIONS}:
        scale = max((high - low) / 255, 1e-9)
        for step in _powers(scale) if power_of_two else (scale,):
            trial = TableInput(step, min(127, max(-128, round(-128 - low / step))))
            result = functional.gelu(trial.rounded(flat), approximate=gelu.approximate)
            best = min(best, ((result - exact).square().sum().item(), trial))
    return best[1]


def _powers(scale: float) -> tuple[float, float]:
    exponent = math.floor(math.log2(scale))
    return 2.0**exponent, 2.0 ** (exponent + 1)
