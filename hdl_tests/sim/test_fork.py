"""`hw.streams.fork`."""

import random
from typing import Any

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.streams.fork import Fork


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
def test_each_sink_gets_everything(pause: float) -> None:
    dut, sent = Fork(8, 2), list(range(50))
    got: list[list[int]] = [[], []]

    def sink(n: int) -> Any:
        async def take(ctx: TestbenchContext) -> None:
            rng = random.Random(n)
            while len(got[n]) < len(sent):
                willing = rng.random() >= pause
                ctx.set(dut.o[n].ready, willing)
                _, _, valid, payload = await ctx.tick().sample(dut.o[n].valid, dut.o[n].payload)
                if willing and valid:
                    got[n].append(payload)
            ctx.set(dut.o[n].ready, 0)

        return take

    async def source(ctx: TestbenchContext) -> None:
        rng, cycles = random.Random("source"), 0
        for payload in sent:
            while rng.random() < pause:
                await ctx.tick()
            ctx.set(dut.i.payload, payload)
            ctx.set(dut.i.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(dut.i.ready)
                cycles += 1
            ctx.set(dut.i.valid, 0)
        assert pause or cycles == len(sent)

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    for process in (source, sink(0), sink(1)):
        sim.add_testbench(process)
    sim.run()
    assert got == [sent, sent]
