"""Quantisers: from floats to scales and integers, without a network around them."""

from golden.quantizers.feedback import output_error, round_columns
from golden.quantizers.log2 import ZERO_CODE, log2_codes, log2_values
from golden.quantizers.mixed import choose_pot, pot_violations
from golden.quantizers.pot import greatest_exponent, pot_scales, snap_pot
from golden.quantizers.ptf import MAX_SHIFT, channel_shifts, ptf
from golden.quantizers.requant import Norm, Requant, fit_norm, fit_requant, half, pre_shift_for
from golden.quantizers.uniform import (
    Observer,
    asymmetric,
    bounds,
    dequantize,
    observed_limits,
    quantize,
    round_half_up,
    sampled,
    symmetric_scales,
)

__all__ = [
    "MAX_SHIFT",
    "ZERO_CODE",
    "Norm",
    "Observer",
    "Requant",
    "asymmetric",
    "bounds",
    "channel_shifts",
    "choose_pot",
    "dequantize",
    "fit_norm",
    "fit_requant",
    "greatest_exponent",
    "half",
    "log2_codes",
    "log2_values",
    "observed_limits",
    "output_error",
    "pot_scales",
    "pot_violations",
    "pre_shift_for",
    "ptf",
    "quantize",
    "round_columns",
    "round_half_up",
    "sampled",
    "snap_pot",
    "symmetric_scales",
]
