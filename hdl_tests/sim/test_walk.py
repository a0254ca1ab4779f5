"""`hw.memory.walk` against nested Python loops."""

import itertools
import random
from typing import Any

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD, assert_same, run_stream
from vitaccel.hw.memory.walk import Walk
from vitaccel.hw.ports import ADDRESS_BITS

Nest = dict[str, Any]


def steps(nest: Nest) -> list[tuple[int, int, int]]:
    """(address, last, ends) of every step of one nest."""
    found = []
    counts = nest["counts"]
    for index in itertools.product(*map(range, counts)):
        ends = [i == n - 1 for i, n in zip(index, counts, strict=True)]
        last = sum(all(ends[k:]) << k for k in range(len(counts)))
        offset = sum(i * s for i, s in zip(index, nest["strides"], strict=True))
        address = (nest["base"] + offset) % (1 << ADDRESS_BITS)
        found.append((address, last, sum(end << k for k, end in enumerate(ends))))
    return found


def check(n_loops: int, nests: list[Nest], pause: float, seed: int) -> None:
    dut = Walk(n_loops)
    want = [step for nest in nests for step in steps(nest)]
    got = run_stream(dut, nests, len(want), i=dut.i, o=dut.o, pause=pause, seed=seed)
    sent = [nest for nest in nests for _ in steps(nest)]
    assert_same([(g.address, g.last, g.ends) for g in got], want, sent)


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("n_loops", [1, 2, 3])
def test_exhaustive_on_small_counts(n_loops: int, pause: float) -> None:
    strides = [100, 10, 1][-n_loops:]
    counts = itertools.product(range(1, 4), repeat=n_loops)
    check(n_loops, [{"base": 7, "counts": c, "strides": strides} for c in counts], pause, 0)


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_random_nests(seed: int, pause: float) -> None:
    rng = random.Random(seed)
    nests: list[Nest] = [
        {
            "base": rng.randrange(1 << ADDRESS_BITS),
            "counts": [rng.choice([1, 2, 5]) for _ in range(4)],
            "strides": [rng.choice([0, 1, 65535, rng.randrange(65536)]) for _ in range(4)],
        }
        for _ in range(20)
    ]
    check(4, nests, pause, seed)


@pytest.mark.parametrize("count", [255, 256, 257, 511])
def test_long_loop(count: int) -> None:
    check(2, [{"base": 0, "counts": [2, count], "strides": [0, 3]}], 0.0, 0)


def test_latency_and_no_bubbles() -> None:
    dut = Walk(2)
    nests: list[Nest] = [
        {"base": 0, "counts": c, "strides": [4, 1]} for c in ([2, 3], [1, 1], [1, 1], [3, 1])
    ]
    total = sum(len(steps(nest)) for nest in nests)
    valid: list[int] = []

    async def feed(ctx: TestbenchContext) -> None:
        ctx.set(dut.i.valid, 1)
        for nest in nests:
            ctx.set(dut.i.payload, nest)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def watch(ctx: TestbenchContext) -> None:
        ctx.set(dut.o.ready, 1)
        for _ in range(Walk.LATENCY + total + 2):
            _, _, now = await ctx.tick().sample(dut.o.valid)
            valid.append(now)

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(feed)
    sim.add_testbench(watch)
    sim.run()
    assert valid == [0] * Walk.LATENCY + [1] * total + [0, 0]
