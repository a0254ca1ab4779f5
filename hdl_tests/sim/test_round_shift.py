"""`hw.primitives.round_shift`."""

import random

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from vitaccel.hw.primitives.round_shift import RoundShift


def expected(value: int, shift: int, out_width: int) -> int:
    bound = 1 << out_width - 1
    return max(-bound, min(bound - 1, (value + (1 << shift)) >> shift + 1))


def run(in_width: int, shift_width: int, out_width: int, items: list[tuple[int, int]]) -> None:
    dut = RoundShift(in_width, shift_width, out_width)

    async def bench(ctx: TestbenchContext) -> None:
        for n in range(len(items) + RoundShift.LATENCY):
            value, shift = items[min(n, len(items) - 1)]
            ctx.set(dut.i, value)
            ctx.set(dut.shift, shift)
            if n >= RoundShift.LATENCY:
                value, shift = items[n - RoundShift.LATENCY]
                assert ctx.get(dut.o) == expected(value, shift, out_width), (value, shift)
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("out_width", [2, 4, 6])
def test_exhaustive_on_narrow(out_width: int) -> None:
    run(7, 4, out_width, [(value, shift) for value in range(-64, 64) for shift in range(16)])


@pytest.mark.parametrize(("in_width", "shift_width", "out_width"), [(29, 4, 18), (35, 5, 10)])
@pytest.mark.parametrize("seed", range(3))
def test_random_and_corners(in_width: int, shift_width: int, out_width: int, seed: int) -> None:
    rng = random.Random(seed)
    half = 1 << in_width - 1
    items = []
    for _ in range(1500):
        shift = rng.randrange(1 << shift_width)
        edge = (1 << out_width - 1) << shift + 1  # where saturation begins
        near = rng.choice([edge, -edge, 0, half, -half]) + rng.randrange(-3, 4) * (1 << shift)
        value = rng.choice([near + rng.randrange(-2, 3), rng.randrange(-half, half)])
        items.append((max(-half, min(half - 1, value)), shift))
    run(in_width, shift_width, out_width, items)
