"""`DeepRam`: words of all parts come back, whenever it is let move; writes take a cycle."""

import random
from collections.abc import Iterator

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.memory.deep_ram import PART_WORDS, DeepRam, part_depths

DEPTH = 2 * PART_WORDS + 100


def neighbours() -> Iterator[int]:
    """Words beside the borders of all parts."""
    for border in (0, PART_WORDS, 2 * PART_WORDS, DEPTH):
        yield from (word for word in range(border - 3, border + 3) if 0 <= word < DEPTH)


def test_parts() -> None:
    assert part_depths(1) == [1]
    assert part_depths(PART_WORDS) == [PART_WORDS]
    assert part_depths(DEPTH) == [PART_WORDS, PART_WORDS, 100]


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_reads_what_was_written(seed: int, pause: float) -> None:
    dut = DeepRam(16, DEPTH, granules=2)
    rng = random.Random(seed)
    places = list(neighbours())
    model = dict.fromkeys(places, 0)

    async def write(ctx: TestbenchContext) -> None:
        for place in rng.choices(places, k=200):
            word, pieces = rng.getrandbits(16), rng.getrandbits(2)
            ctx.set(dut.write_address, place)
            ctx.set(dut.write_data, word)
            ctx.set(dut.write, pieces)
            await ctx.tick()
            mask = 0xFF * (pieces & 1) | 0xFF00 * (pieces >> 1)
            model[place] = model[place] & ~mask | word & mask
        ctx.set(dut.write, 0)

    async def bench(ctx: TestbenchContext) -> None:
        await write(ctx)
        await ctx.tick()
        under_way: list[int] = []
        n_read = 0
        while n_read < 200:
            move = rng.random() >= pause
            place = rng.choice(places)
            ctx.set(dut.move, move)
            ctx.set(dut.read_address, place)
            (found,) = (await ctx.tick().sample(dut.read_data))[2:]
            if not move:
                continue
            under_way.append(place)
            if len(under_way) > dut.LATENCY:
                assert found == model[under_way.pop(0)]
                n_read += 1

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(bench)
    sim.run()


def test_a_word_just_written() -> None:
    """The address of the cycle after the next one sees it."""
    dut = DeepRam(8, DEPTH)

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.move, 1)
        for word, place in enumerate(neighbours(), 1):
            ctx.set(dut.write_address, place)
            ctx.set(dut.read_address, place)
            ctx.set(dut.write_data, word)
            ctx.set(dut.write, 1)
            await ctx.tick()
            ctx.set(dut.write, 0)
            await ctx.tick()
            await ctx.tick().repeat(dut.LATENCY)
            assert ctx.get(dut.read_data) == word

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(bench)
    sim.run()
