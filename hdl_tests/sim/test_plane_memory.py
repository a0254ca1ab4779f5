"""`hw.memory.plane_memory`."""

import random

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.plane_memory import PlaneMemory

CONFIG = AcceleratorConfig(rows=3, columns=3)


@pytest.mark.parametrize("depth", [5, 8])
@pytest.mark.parametrize("width", [2, 8, 16, 47, 56, 65])
def test_reads_the_planes_written(depth: int, width: int) -> None:
    dut = PlaneMemory(CONFIG, depth, width)
    planes = -(-width // 8)
    bits = (planes - 1).bit_length()
    rng = random.Random(f"{depth} {width}")
    held = [[[0] * 3 for _ in range(planes)] for _ in range(depth)]

    async def bench(ctx: TestbenchContext) -> None:
        for _ in range(300):  # also planes and words that do not exist
            word, plane = rng.randrange(1 << 20 - bits), rng.randrange(1 << bits)
            word = rng.choice([word, rng.randrange(depth), rng.randrange(depth + 4)])
            lanes = [rng.randrange(256) for _ in range(3)]
            ctx.set(dut.write.payload, {"address": word << bits | plane, "data": lanes})
            ctx.set(dut.write.valid, rng.random() < 0.9)
            assert ctx.get(dut.write.ready)
            if ctx.get(dut.write.valid) and word < depth and plane < planes:
                held[word][plane] = lanes
            await ctx.tick()
        ctx.set(dut.write.valid, 0)
        await ctx.tick()
        for cycle in range(depth + PlaneMemory.LATENCY):
            ctx.set(dut.address, cycle % depth)
            if cycle >= PlaneMemory.LATENCY:
                word = cycle - PlaneMemory.LATENCY
                want = [
                    sum(held[word][p][lane] << 8 * p for p in range(planes)) % (1 << width)
                    for lane in range(3)
                ]
                assert list(ctx.get(dut.data)) == want
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


def test_write_is_seen_two_cycles_later() -> None:
    dut = PlaneMemory(CONFIG, 4, 8)

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.address, 2)
        ctx.set(dut.write.payload, {"address": 2, "data": [1, 2, 3]})
        ctx.set(dut.write.valid, 1)
        await ctx.tick()
        ctx.set(dut.write.valid, 0)
        await ctx.tick()  # address driven from here on sees the write
        await ctx.tick().repeat(PlaneMemory.LATENCY)
        assert list(ctx.get(dut.data)) == [1, 2, 3]

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()
