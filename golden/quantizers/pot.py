"""Power-of-two weights: every weight of a filter is 0 or ±2**e times the filter's scale."""

import torch
from torch import Tensor

from golden.quantizers.uniform import best_scales

__all__ = ["greatest_exponent", "pot_scales", "snap_pot"]

STEPS = 48  # candidates, over 2.5 octaves: beyond them only the ends of the range move


def greatest_exponent(bits: int) -> int:
    """Greatest e of ±2**e in a code of sign and ``bits - 1`` bits, of which one value means 0."""
    return (1 << bits - 1) - 2


def snap_pot(x: Tensor, bits: int) -> Tensor:
    """Nearest of 0, ±2**e with e from 0 to ``2**(bits - 1) - 2``, ties away from 0.

    ``|x| < 1/2`` gives 0, otherwise ``e = clamp(floor(log2(|x| / 0.75)), 0, e_max)``: the limit
    between 2**e and 2**(e + 1) is their arithmetic mean.
    """
    magnitude = x.abs()
    exponent = torch.floor(torch.log2(magnitude.clamp(min=0.5) / 0.75))
    power = torch.exp2(exponent.clamp(0, greatest_exponent(bits)))
    return torch.where(magnitude < 0.5, torch.zeros_like(x), power * x.sign())


def pot_scales(x: Tensor, bits: int, moment: Tensor | None = None) -> Tensor:
    """Scales of power-of-two filters, one for each row of ``[rows, n]``, by search.

    Of ``STEPS`` scales, in geometric steps from 0.25 to 1.41 times the greatest magnitude over
    ``2**e_max``, that of least ``sum(moment * (x - dequantized)**2)``; 1 for a row of zeros.
    """
    x = x.double()
    largest = x.abs().amax(1)
    start = torch.where(largest > 0, largest / (1 << greatest_exponent(bits)), 1.0)
    octaves = torch.linspace(-2, 0.5, STEPS, dtype=torch.float64)
    trials = [start * torch.exp2(octave) for octave in octaves]
    best = best_scales(x, trials, lambda v: snap_pot(v, bits), moment)
    return torch.where(largest > 0, best, 1.0)
