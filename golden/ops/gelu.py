"""Activation functions as tables over all 8-bit inputs."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from golden.ops.quantize_input import quantize
from golden.qnetwork import QTensor

__all__ = ["activation_table", "gelu_table"]


def activation_table(function: Callable[[Tensor], Tensor], scale_in: float, out: QTensor) -> Tensor:
    """Tabulate ``quantize(function(value * scale_in), out)`` for values -128 to 127.

    Parameters
    ----------
    function
        Elementwise float function, evaluated in float64.
    scale_in
        Scale of the signed 8-bit input, zero point 0.
    out
        Format of the result, one scale for the tensor.

    Returns
    -------
    Tensor
        int16 ``[256]``, entry i for value i - 128; every entry within half a unit of ``out``
        unless it saturates.
    """
    values = torch.arange(-128, 128, dtype=torch.float64)
    return quantize(function(values * scale_in), out).to(torch.int16)


def gelu_table(
    scale_in: float, out: QTensor, approximate: Literal["none", "tanh"] = "none"
) -> Tensor:
    """GELU as an `activation_table`: exact (erf) or by tanh, as the float model has it.

    Source
    ------
    Hendrycks and Gimpel, arXiv 1606.08415. I-ViT and I-BERT approximate by polynomials; 256
    entries are smaller than their multipliers and exact.
    """
    return activation_table(partial(functional.gelu, approximate=approximate), scale_in, out)
