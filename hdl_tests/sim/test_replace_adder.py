"""`hw.primitives.replace_adder`: inferred and of cells, all sums of small operands."""

from itertools import product
from typing import Any

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.ecp5_cells import carry_slice, on_ecp5
from vitaccel.hw.primitives import carry_chain
from vitaccel.hw.primitives.replace_adder import ReplaceAdder


@pytest.mark.parametrize("width", [3, 4])
@pytest.mark.parametrize("kind", [ReplaceAdder, on_ecp5(ReplaceAdder)], ids=["inferred", "cells"])
def test_every_sum(kind: Any, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry_chain, "Instance", carry_slice)
    dut = kind(width)
    past = 1 << width

    async def check(ctx: TestbenchContext) -> None:
        for a, b, other, add in product(range(past), range(past), range(past), (0, 1)):
            for name, value in {"a": a, "b": b, "other": other, "add": add}.items():
                ctx.set(getattr(dut, name), value)
            assert ctx.get(dut.o) == ((a + b) % past if add else other), (a, b, other, add)

    sim = Simulator(dut)
    sim.add_testbench(check)
    sim.run()
