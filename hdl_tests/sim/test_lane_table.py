"""`hw.memory.lane_table`."""

import random

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.lane_table import LaneTable

CONFIG = AcceleratorConfig(rows=3, columns=3)


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("planes", [1, 2])
def test_reads_the_entries_written(slots: int, planes: int) -> None:
    dut = LaneTable(CONFIG, slots, planes)
    bits = planes - 1
    rng = random.Random(f"{slots} {planes}")
    held = [[[0] * planes for _ in range(256 * slots)] for _ in range(3)]

    async def bench(ctx: TestbenchContext) -> None:
        entries = list(range(256 * slots)) * 2 + [256 * slots, (1 << 20 - bits) - 1]
        for entry in entries:
            plane = rng.randrange(planes)
            lanes = [rng.randrange(256) for _ in range(3)]
            ctx.set(dut.write.payload, {"address": entry << bits | plane, "data": lanes})
            ctx.set(dut.write.valid, rng.random() < 0.9)
            assert ctx.get(dut.write.ready)
            if ctx.get(dut.write.valid) and entry < 256 * slots:
                for lane, byte in enumerate(lanes):
                    held[lane][entry][plane] = byte
            await ctx.tick()
        ctx.set(dut.write.valid, 0)
        await ctx.tick()
        asked: list[tuple[int, list[int]]] = []
        for cycle in range(300):
            asked.append((rng.randrange(slots), [rng.randrange(256) for _ in range(3)]))
            ctx.set(dut.slot, asked[-1][0])
            ctx.set(dut.index, asked[-1][1])
            if cycle >= LaneTable.LATENCY:
                slot, index = asked[cycle - LaneTable.LATENCY]
                want = [
                    int.from_bytes(bytes(held[lane][slot << 8 | index[lane]]), "little")
                    for lane in range(3)
                ]
                assert list(ctx.get(dut.data)) == want
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()
