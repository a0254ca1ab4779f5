"""Activation tables against float PyTorch."""

from typing import Literal

import pytest
import torch
from torch.nn import functional

from golden.ops import activation_table, gelu_table
from golden.qnetwork import QTensor

VALUES = torch.arange(-128, 128).double()


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("scale", [0.004, 0.03, 0.2])
@pytest.mark.parametrize("signed", [False, True])
def test_within_half_a_unit(
    approximate: Literal["none", "tanh"], scale: float, signed: bool
) -> None:
    out = QTensor(shape=(1, 1), scale=scale, zero_point=0 if signed else 20, signed=signed)
    table = gelu_table(scale, out, approximate)
    exact = functional.gelu(VALUES * scale, approximate=approximate) / scale + out.zero_point
    assert table.dtype == torch.int16
    assert table.shape == (256,)
    assert (table - exact.clamp(out.low, out.high)).abs().max() <= 0.5


def test_two_forms_differ_where_they_should() -> None:
    out = QTensor(shape=(1, 1), scale=0.0005, signed=False, zero_point=255)
    assert not torch.equal(gelu_table(0.02, out), gelu_table(0.02, out, "tanh"))


def test_saturates_and_rounds_half_up() -> None:
    out = QTensor(shape=(1, 1), bits=4, scale=1.0)
    table = activation_table(lambda x: x, 0.5, out)
    assert table[:112].eq(-8).all()
    assert table[112:144].tolist() == [(v + 1) // 2 for v in range(-16, 15)] + [7]
    assert table[144:].eq(7).all()
