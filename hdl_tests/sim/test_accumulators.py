"""`hw.mxu.accumulators`: banks, order of reads and writes, hand-over to POST."""

import random

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.accumulators import Accumulators
from vitaccel.hw.mxu.array import columns_of
from vitaccel.hw.mxu.column import physical_columns
from vitaccel.hw.ports import DRAIN_LATENCY

CONFIGS = {
    "2x4": AcceleratorConfig(rows=2, columns=4, pot_columns=2, accumulator_rows=16),
    "2x4-packed": AcceleratorConfig(rows=2, columns=4, weight_bits=4, accumulator_rows=16),
    "4x12-bundles": AcceleratorConfig(
        rows=4, columns=12, pot_columns=4, weight_bits=4, accumulator_rows=16, accumulator_bits=24
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_columns_are_served_once(name: str) -> None:
    config = CONFIGS[name]
    served = [c for p in range(physical_columns(config)) for c in columns_of(config, p)]
    assert sorted(served) == list(range(config.columns))


def delay_of(config: AcceleratorConfig, dut: Accumulators) -> dict[int, int]:
    """Cycles from a beat to the sum of each column."""
    return {
        column: dut.read_delay + 3 + physical
        for physical in range(physical_columns(config))
        for column in columns_of(config, physical)
    }


async def drained(
    ctx: TestbenchContext, dut: Accumulators, n_rows: int, delay: int
) -> list[list[int]]:
    """Wait for a full bank and some cycles more; return its rows and release it."""
    while not ctx.get(dut.drain.full) or delay > 0:
        delay -= ctx.get(dut.drain.full)
        await ctx.tick()
    rows: list[list[int]] = []
    for n in range(n_rows + DRAIN_LATENCY):
        ctx.set(dut.drain.address, n % n_rows)
        *_, row = await ctx.tick().sample(dut.drain.data)
        rows.append(list(row))
    ctx.set(dut.drain.release, 1)
    await ctx.tick()
    ctx.set(dut.drain.release, 0)
    return rows[DRAIN_LATENCY:]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("n_rows", [Accumulators.HAZARD, 7, 16])
def test_banks(name: str, pause: float, n_rows: int) -> None:
    """Add passes of random sums to alternating banks at the least distance; drain each."""
    config = CONFIGS[name]
    dut = Accumulators(config)
    rng = random.Random(n_rows)
    n_banks, n_passes = 6, 3
    due: dict[tuple[int, int], int] = {}  # (cycle, column) -> sum that arrives
    want = [[[0] * config.columns for _ in range(n_rows)] for _ in range(n_banks)]
    got: list[list[list[int]]] = []
    delay = delay_of(config, dut)
    cycle = 0

    async def tick(ctx: TestbenchContext) -> None:
        nonlocal cycle
        for column in range(config.columns):
            ctx.set(dut.sums[column], due.pop((cycle, column), rng.randrange(99)))
        await ctx.tick()
        ctx.set(dut.beat.valid, 0)
        ctx.set(dut.claim, 0)
        cycle += 1

    async def stream(ctx: TestbenchContext) -> None:
        for n in range(n_banks * n_passes * n_rows):
            bank, beat = divmod(n, n_passes * n_rows)
            if beat == 0:
                while not ctx.get(dut.free):
                    await tick(ctx)
                ctx.set(dut.claim, 1)
                await tick(ctx)
            while rng.random() < pause:
                await tick(ctx)
            ctx.set(dut.beat.valid, 1)
            ctx.set(dut.beat.first, beat < n_rows)
            ctx.set(dut.beat.last, beat == n_passes * n_rows - 1)
            ctx.set(dut.beat.address, beat % n_rows)
            for column, later in delay.items():
                due[cycle + later, column] = value = rng.randrange(-(2**20), 2**20)
                want[bank][beat % n_rows][column] += value
            await tick(ctx)
        while len(got) < n_banks:
            await tick(ctx)

    async def post(ctx: TestbenchContext) -> None:
        delays = [rng.randrange(99) if pause else 0 for _ in range(n_banks)]
        got.extend([await drained(ctx, dut, n_rows, delay) for delay in delays])

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(stream)
    sim.add_testbench(post)
    sim.run()
    assert got == want
