"""`hw.mxu.transposer` and `hw.mxu.skew`: diagonals for the array."""

import random

import pytest
from amaranth.lib import data
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.skew import Skew
from vitaccel.hw.mxu.transposer import Transposer


@pytest.mark.parametrize("rows", [2, 3, 4, 8])
@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_transposes_blocks(rows: int, pause: float, seed: int) -> None:
    """Blocks come back to back or with gaps; none of their lanes is lost."""
    dut = Transposer(AcceleratorConfig(rows=rows, columns=rows))
    rng = random.Random(seed)
    want: dict[tuple[int, int], int] = {}  # (cycle, lane) -> byte
    got: list[list[int]] = []

    async def feed(ctx: TestbenchContext) -> None:
        for _ in range(6):
            while rng.random() < pause:
                got.append(await step(ctx, [rng.randrange(256)] * rows, False))
            start = len(got)
            for k in range(rows):
                word = [rng.randrange(256) for _ in range(rows)]
                want.update({(start + dut.LATENCY + n + k, k): word[n] for n in range(rows)})
                got.append(await step(ctx, word, k == 0))
        got.extend([await step(ctx, [0] * rows, False) for _ in range(2 * rows)])

    async def step(ctx: TestbenchContext, word: list[int], start: bool) -> list[int]:
        ctx.set(dut.i, word)
        ctx.set(dut.start, start)
        *_, o = await ctx.tick().sample(dut.o)
        return list(o)

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(feed)
    sim.run()
    assert {(cycle, lane): got[cycle][lane] for cycle, lane in want} == want


def test_skew_delays_lane_r_by_r_and_its_latency() -> None:
    dut = Skew(data.ArrayLayout(8, 5))
    rng = random.Random(0)
    words = [[rng.randrange(256) for _ in range(5)] for _ in range(20)]
    got: list[list[int]] = []

    async def feed(ctx: TestbenchContext) -> None:
        for word in words:
            ctx.set(dut.i, word)
            *_, o = await ctx.tick().sample(dut.o)
            got.append(list(o))

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(feed)
    sim.run()
    for lane in range(5):
        delay = lane + dut.LATENCY
        assert [o[lane] for o in got[delay:]] == [i[lane] for i in words[:-delay]]
