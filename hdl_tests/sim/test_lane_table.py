"""`hw.memory.lane_table`."""

import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.lane_table import LaneTable

LANES = 3
CONFIG = AcceleratorConfig(rows=LANES, columns=LANES)


def run(dut: LaneTable, bench: Callable[[TestbenchContext], Coroutine[Any, Any, None]]) -> None:
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("planes", [1, 2])
def test_reads_and_writes_take_turns(slots: int, planes: int) -> None:
    """Reads announced by ``hold`` are right whatever is written in between."""
    dut = LaneTable(CONFIG, slots, planes)
    bits = planes - 1
    rng = random.Random(f"{slots} {planes}")
    held = [[0] * planes for _ in range(256 * slots)]
    entries = list(range(256 * slots)) * 2 + [256 * slots, (1 << 20 - bits) - 1]
    waiting: list[list[int] | None] = [None] * (LaneTable.LATENCY - 1)  # results under way

    async def bench(ctx: TestbenchContext) -> None:
        landed: list[tuple[int, int, int]] = []  # taken in the cycle before: seen after this one
        hold = False
        while entries:
            matters, hold = hold, rng.random() < 0.5
            offers = rng.random() < 0.9
            entry, plane, byte = entries[0], rng.randrange(planes), rng.randrange(256)
            slot, index = ([rng.randrange(n) for _ in range(LANES)] for n in (slots, 256))
            ctx.set(dut.write.payload, {"address": entry << bits | plane, "data": [byte] * LANES})
            ctx.set(dut.write.valid, offers)
            ctx.set(dut.hold, hold)
            ctx.set(dut.slot, slot)
            ctx.set(dut.index, index)
            assert ctx.get(dut.write.ready) == (not hold)
            assert not (matters and ctx.get(dut.writing))
            places = [s << 8 | n for s, n in zip(slot, index, strict=True)]
            found = [int.from_bytes(bytes(held[place]), "little") for place in places]
            waiting.append(found if matters else None)
            for past, p, value in landed:
                held[past][p] = value
            landed = []
            if offers and not hold:
                landed = [(entry, plane, byte)] if entry < 256 * slots else []
                entries.pop(0)
            await ctx.tick()
            want = waiting.pop(0)
            assert want is None or list(ctx.get(dut.data)) == want

    run(dut, bench)


def test_writes_are_announced() -> None:
    """A reader that does not hold writes up sees ``writing`` in the cycle it cannot use."""
    dut = LaneTable(CONFIG, 1, 1)

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.write.payload, {"address": 5, "data": [7] * LANES})
        ctx.set(dut.write.valid, 1)
        assert not ctx.get(dut.writing)
        await ctx.tick()
        ctx.set(dut.write.valid, 0)
        assert ctx.get(dut.writing)
        await ctx.tick()
        assert not ctx.get(dut.writing)
        ctx.set(dut.index, [5] * LANES)
        await ctx.tick().repeat(LaneTable.LATENCY)
        assert list(ctx.get(dut.data)) == [7] * LANES

    run(dut, bench)
