"""Range of the 8-bit values that activation tables are indexed by, and the tables themselves."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from golden.evaluate import activation_of
from golden.network import Activation
from golden.ops import activation_table
from golden.qnetwork import QTensor
from golden.quantizers import bounds, quantize, sampled

__all__ = ["TableInput", "activation_entries", "slots_of", "table_input"]

SAMPLES = 1 << 12  # values that the search looks at
FRACTIONS = tuple(k / 16 for k in range(4, 17))  # of the observed range, at either end

Function = Callable[[Tensor], Tensor]


class TableInput(NamedTuple):
    """``value = scale * (y - offset)`` for y from -128 to 127; the bias brings in the offset.

    float64 ``[channels]`` each; channels with equal ``slot``, int64, have one table.
    """

    scale: Tensor
    offset: Tensor
    slot: Tensor

    def rounded(self, x: Tensor) -> Tensor:
        """Quantise and dequantise ``[.., channels]``."""
        low, high = bounds(8)
        return (quantize(x, self.scale, low, high, self.offset) - self.offset) * self.scale


def slots_of(out: QTensor) -> Tensor:
    """Number of the table of each channel: one for each scale and zero point; int64."""
    n = out.shape[-1]
    pairs = list(zip(out.shifts or (0,) * n, out.zero_points or (0,) * n, strict=True))
    kinds = sorted(set(pairs))
    return torch.tensor([kinds.index(pair) for pair in pairs])


def table_input(x: Tensor, activation: Activation, slot: Tensor, power_of_two: bool) -> TableInput:
    """Choose for each slot the range that gives least square error after the activation.

    So what is flat or rare costs no resolution: below about -4 GELU is 0 within half a unit.

    Parameters
    ----------
    x
        Inputs of the activation, ``[.., channels]``.
    slot
        ``[channels]``, see `slots_of`.
    power_of_two
        Whether scales must be powers of two.
    """
    function = activation_of(activation)
    scale, offset = torch.ones(len(slot), dtype=torch.float64), torch.zeros(len(slot))
    for number in slot.unique():
        own = slot == number
        scale[own], offset[own] = _range(x[..., own], function, power_of_two)
    return TableInput(scale, offset.double(), slot)


def _range(x: Tensor, function: Function, power_of_two: bool) -> tuple[float, int]:
    flat = sampled(x.double().reshape(1, -1), SAMPLES)[0]
    first, last = min(0.0, x.min().item()), max(0.0, x.max().item())
    exact, (least, greatest) = function(flat), bounds(8)
    best = (math.inf, 1.0, 0)
    for low, high in {(first * a, last * b) for a in FRACTIONS for b in FRACTIONS}:
        width = max((high - low) / 255, 1e-9)
        for scale in _powers(width) if power_of_two else (width,):
            offset = min(greatest, max(least, round(least - low / scale)))
            rounded = (quantize(flat, scale, least, greatest, offset) - offset) * scale
            error = (function(rounded) - exact).square().sum().item()
            best = min(best, (error, scale, offset))
    return best[1:]


def _powers(scale: float) -> tuple[float, float]:
    exponent = math.floor(math.log2(scale))
    return 2.0**exponent, 2.0 ** (exponent + 1)


def activation_entries(table: TableInput, activation: Activation, out: QTensor) -> Tensor:
    """Entries of the tables for results in the format ``out``: int16 ``[slots, 256]``."""
    function, made = activation_of(activation), list[Tensor]()
    for number in table.slot.unique():
        channel = int((table.slot == number).nonzero()[0])
        scale, offset = table.scale[channel].item(), table.offset[channel].item()
        exponent = 0 if out.shifts is None else out.shifts[channel]
        zero = out.zero_point if out.zero_points is None else out.zero_points[channel]
        own = out.replace(
            scale=out.scale * 2.0**exponent, zero_point=zero, shifts=None, zero_points=None
        )

        def shifted(x: Tensor, less: float = offset * scale) -> Tensor:
            return function(x - less)

        made.append(activation_table(shifted, scale, own))
    return torch.stack(made)
