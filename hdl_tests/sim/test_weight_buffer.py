"""`hw.memory.weight_buffer` against a dictionary of words."""

import random

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.memory.weight_buffer import WeightBuffer
from vitaccel.presets import PRESETS

CONFIG = PRESETS["tiny"].replace(weight_words=64)


@pytest.mark.parametrize("reach", [8, 64, 80], ids=["dense", "whole", "beyond"])
@pytest.mark.parametrize("seed", range(3))
def test_random_traffic(seed: int, reach: int) -> None:
    """One access per cycle and port; a read sees every write of an earlier cycle."""
    dut = WeightBuffer(CONFIG)
    rng = random.Random(seed)
    held: dict[int, list[int]] = {}
    want: list[tuple[int, list[int]]] = []
    got: list[tuple[int, list[int]]] = []
    faults = {"read": 0, "write": 0}

    async def drive(ctx: TestbenchContext) -> None:
        for now in range(400):
            source, target = rng.randrange(reach), rng.randrange(reach)
            word = [rng.randrange(256) for _ in range(CONFIG.rows)]
            reading, writing = rng.random() < 0.7, rng.random() < 0.7
            # What a read of a word finds that is written in the same cycle is not defined.
            writing &= source != target
            ctx.set(dut.reader.request.payload, source)
            ctx.set(dut.reader.request.valid, reading)
            ctx.set(dut.writer.payload, {"address": target, "data": word})
            ctx.set(dut.writer.valid, writing)
            assert ctx.get(dut.reader.request.ready)
            assert ctx.get(dut.writer.ready)
            if reading:
                want.append((now + WeightBuffer.LATENCY, held.get(source, [0] * CONFIG.rows)))
                faults["read"] |= source >= 64
            if writing and target < 64:
                held[target] = word
            faults["write"] |= writing and target >= 64
            await observe(ctx, now)
        ctx.set(dut.reader.request.valid, 0)
        ctx.set(dut.writer.valid, 0)
        for now in range(400, 400 + WeightBuffer.LATENCY + 1):
            await observe(ctx, now)
        assert ctx.get(dut.reader_fault) == faults["read"]
        assert ctx.get(dut.writer_fault) == faults["write"]

    async def observe(ctx: TestbenchContext, now: int) -> None:
        _, _, valid, word = await ctx.tick().sample(dut.reader.valid, dut.reader.data)
        if valid:
            got.append((now, list(word)))

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(drive)
    sim.run()
    assert got == want
