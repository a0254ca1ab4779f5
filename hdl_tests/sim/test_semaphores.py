"""Counting semaphores against 36 integers."""

import random

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.shell.semaphores import Semaphores
from vitaccel.isa import Unit

N = len(Unit)


@pytest.mark.parametrize("giving", [0.2, 0.5, 0.9])
def test_counts(giving: float) -> None:
    """Tokens are neither lost nor made, from empty to full and back."""
    dut = Semaphores(Unit)
    rng = random.Random(f"{giving}")
    levels = set()
    count = {(p, c): 0 for p in range(N) for c in range(N)}

    async def drive(ctx: TestbenchContext) -> None:
        for cycle in range(600):
            likely = giving if cycle < 400 else 0.05
            take, give = [0] * N, [0] * N
            for (p, c), held in count.items():
                assert ctx.get(dut.has[c]) >> p & 1 == (held != 0)
                assert ctx.get(dut.room[p]) >> c & 1 == (held != Semaphores.MOST)
                if held and rng.random() < 1 - likely:
                    take[c] |= 1 << p
                if held != Semaphores.MOST and rng.random() < likely:
                    give[p] |= 1 << c
            for p, c in count:
                count[p, c] += (give[p] >> c & 1) - (take[c] >> p & 1)
            levels.update(count.values())
            ctx.set(dut.take, take)
            ctx.set(dut.give, give)
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(drive)
    sim.run()
    assert 0 in levels
    if giving == 0.9:
        assert Semaphores.MOST in levels
