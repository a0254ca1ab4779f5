"""`AxiSpram`: what was written comes back, in bursts and with pauses; nothing outside answers."""

import random

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.axi.axi import OKAY, SLVERR
from vitaccel.hw.memory.axi_spram import AxiSpram
from vitaccel.presets import PRESETS

CONFIG = PRESETS["icebreaker"]


async def write(
    ctx: TestbenchContext, dut: AxiSpram, address: int, beats: list[tuple[int, int]]
) -> int:
    """Write ``(word, strobe)`` beats; the response."""
    ctx.set(dut.awaddr, address)
    ctx.set(dut.awvalid, 1)
    await ctx.tick().until(dut.awready)
    ctx.set(dut.awvalid, 0)
    for n, (word, strobe) in enumerate(beats):
        ctx.set(dut.wdata, word)
        ctx.set(dut.wstrb, strobe)
        ctx.set(dut.wlast, n == len(beats) - 1)
        ctx.set(dut.wvalid, 1)
        await ctx.tick().until(dut.wready)
        ctx.set(dut.wvalid, 0)
    ctx.set(dut.bready, 1)
    (response,) = await ctx.tick().sample(dut.bresp).until(dut.bvalid)
    ctx.set(dut.bready, 0)
    return response


async def read(
    ctx: TestbenchContext, dut: AxiSpram, address: int, n_beats: int, pauses: random.Random
) -> list[tuple[int, int]]:
    """Read ``(word, response)`` of each beat."""
    ctx.set(dut.araddr, address)
    ctx.set(dut.arlen, n_beats - 1)
    ctx.set(dut.arvalid, 1)
    await ctx.tick().until(dut.arready)
    ctx.set(dut.arvalid, 0)
    found = []
    for n in range(n_beats):
        while pauses.random() < 0.3:
            await ctx.tick()
        ctx.set(dut.rready, 1)
        word, response, last = (
            await ctx.tick().sample(dut.rdata, dut.rresp, dut.rlast).until(dut.rvalid)
        )
        ctx.set(dut.rready, 0)
        assert last == (n == n_beats - 1)
        found.append((word, response))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_reads_what_was_written(seed: int) -> None:
    dut, rng = AxiSpram(CONFIG), random.Random(seed)

    async def bench(ctx: TestbenchContext) -> None:
        model: dict[int, int] = {}
        for _ in range(30):
            start = 4 * rng.choice([0, 7, 300, AxiSpram.SIZE // 4 - 8])
            beats = [(rng.getrandbits(32), rng.getrandbits(4)) for _ in range(rng.randint(1, 8))]
            assert await write(ctx, dut, start, beats) == OKAY
            for n, (word, strobe) in enumerate(beats):
                mask = sum(255 << 8 * k for k in range(4) if strobe >> k & 1)
                former = model.get(start + 4 * n, 0)
                model[start + 4 * n] = former & ~mask | word & mask
            found = await read(ctx, dut, start, len(beats), rng)
            want = [(model[start + 4 * n], OKAY) for n in range(len(beats))]
            assert found == want
        for outside in (AxiSpram.SIZE, 1 << 31):
            assert await write(ctx, dut, outside, [(1, 15)]) == SLVERR
            ((_, response),) = await read(ctx, dut, outside, 1, rng)
            assert response == SLVERR
        ((word, _),) = await read(ctx, dut, 0, 1, rng)
        assert word == model.get(0, 0)

    simulator = Simulator(dut)
    simulator.add_clock(CLOCK_PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
