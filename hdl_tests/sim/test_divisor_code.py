"""`hw.post.divisor_code` against `golden.ops.log2_round` and `golden.ops.float_round`."""

import pytest
import torch
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from golden.ops import float_round, log2_round
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.post.divisor_code import DivisorCode

WIDTH = 18


@pytest.mark.parametrize("rounds", [True, False])
def test_small_numbers_and_the_edges_of_every_code(rounds: bool) -> None:
    edges = [m << i >> 1 for i in range(WIDTH - 1) for m in (2, 3)]  # 1 and 1.5 times 2**i
    near = {e + d for e in edges for d in (-1, 0, 1)} | {(1 << WIDTH - 1) - 1}
    numbers = [*range(600), *sorted(n for n in near if 0 <= n < 1 << WIDTH - 1)]
    x = torch.tensor(numbers)
    want = (log2_round(x) if rounds else float_round(x)[1]).tolist()
    dut = DivisorCode(WIDTH, rounds=rounds)
    got: list[int] = []

    async def drive(ctx: TestbenchContext) -> None:
        for n in range(len(numbers) + DivisorCode.LATENCY):
            ctx.set(dut.t, numbers[min(n, len(numbers) - 1)])
            _, _, code = await ctx.tick().sample(dut.code)
            got.append(code)

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(drive)
    sim.run()
    assert got[DivisorCode.LATENCY :] == want
    assert set(want) == set(range(16 if rounds else 17))
