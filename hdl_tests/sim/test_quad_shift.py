"""`hw.primitives.quad_shift`: inferred and of cells, all values and shifts."""

from typing import Any

import pytest
from amaranth import Shape, signed, unsigned
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.ecp5_cells import half_slice, on_ecp5
from vitaccel.hw.primitives import quad_shift
from vitaccel.hw.primitives.quad_shift import QuadShift


@pytest.mark.parametrize(
    ("shape", "step", "width"),
    [(signed(7), 1, 4), (signed(6), 2, 7), (unsigned(7), 2, 3), (unsigned(5), 4, 5)],
    ids=str,
)
@pytest.mark.parametrize("kind", [QuadShift, on_ecp5(QuadShift)], ids=["inferred", "cells"])
def test_every_value(
    kind: Any, shape: Shape, step: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quad_shift, "Instance", half_slice)
    dut = kind(shape, step, width)
    least = -(1 << shape.width - 1) if shape.signed else 0

    async def check(ctx: TestbenchContext) -> None:
        for value in range(least, least + (1 << shape.width)):
            for shift in range(4):
                ctx.set(dut.i, value)
                ctx.set(dut.shift, shift)
                assert ctx.get(dut.o) == (value >> step * shift) % (1 << width), (value, shift)

    sim = Simulator(dut)
    sim.add_testbench(check)
    sim.run()
