"""`hw.primitives.select_adder`: inferred and of cells, all sums of small operands."""

from itertools import product
from typing import Any

import pytest
from amaranth import signed
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.ecp5_cells import carry_slice, on_ecp5
from vitaccel.hw.primitives import carry_chain
from vitaccel.hw.primitives.select_adder import SelectAdder

SHAPES = [(3, 2, 4, 5), (1, 3, 2, 4), (4, 2, 3, 3)]  # bits of a, b, c; of the sum, or too few


@pytest.mark.parametrize("bits", SHAPES, ids=str)
@pytest.mark.parametrize("kind", [SelectAdder, on_ecp5(SelectAdder)], ids=["inferred", "cells"])
def test_every_sum(
    kind: Any, bits: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carry_chain, "Instance", carry_slice)
    *operands, width = bits
    dut = kind(*(signed(n) for n in operands), width)

    async def check(ctx: TestbenchContext) -> None:
        ranges = [range(-(1 << n - 1), 1 << n - 1) for n in operands]
        for a, b, c, select, carry in product(*ranges, (0, 1), (0, 1)):
            for port, value in zip("abc", (a, b, c), strict=True):
                ctx.set(getattr(dut, port), value)
            ctx.set(dut.select, select)
            ctx.set(dut.carry, carry)
            total = a + (c if select else b) + carry
            half = 1 << width - 1
            assert ctx.get(dut.o) == (total + half) % (2 * half) - half, (a, b, c, select, carry)

    sim = Simulator(dut)
    sim.add_testbench(check)
    sim.run()
