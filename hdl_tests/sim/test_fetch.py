"""`hw.memory.fetch` and `hw.streams.queue` with memories of any latency."""

import random
from collections import deque
from typing import Any

import pytest
from amaranth.lib import data
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD, assert_same, run_stream
from vitaccel.hw.memory.fetch import Fetch
from vitaccel.hw.streams.queue import Queue
from vitaccel.presets import PRESETS

CONFIG = PRESETS["tiny"]
TAG = 6


def word(address: int) -> list[int]:
    return [(address * 7 + lane * 31) % 256 for lane in range(CONFIG.rows)]


class Bench:
    """A `Fetch` between a source of addresses, a memory and a sink, each pausing at random."""

    def __init__(self, addresses: list[int], *, latency: int, pause: float, seed: int) -> None:
        self.dut = Fetch(CONFIG, TAG)
        self.addresses = addresses
        self.latency = latency
        self.pause = pause
        self.seed = seed
        self.got: list[tuple[int, list[int]]] = []
        self.cycles = 0

    async def source(self, ctx: TestbenchContext) -> None:
        rng = random.Random(f"source {self.seed}")
        i = self.dut.i
        for n, address in enumerate(self.addresses):
            while rng.random() < self.pause:
                await ctx.tick()
            ctx.set(i.payload, {"address": address, "tag": n % (1 << TAG)})
            ctx.set(i.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(i.ready)
            ctx.set(i.valid, 0)

    async def memory(self, ctx: TestbenchContext) -> None:
        """Answer ``latency`` cycles after the request, sometimes later, always in order."""
        rng = random.Random(f"memory {self.seed}")
        port = self.dut.port
        waiting: deque[tuple[int, int]] = deque()
        now = 0
        while True:
            willing = rng.random() >= self.pause
            ctx.set(port.request.ready, willing)
            _, _, asked, address = await ctx.tick().sample(port.request.valid, port.request.payload)
            now += 1
            if asked and willing:
                waiting.append((now + self.latency - 1, address))
            answer = bool(waiting) and waiting[0][0] <= now and rng.random() >= self.pause
            ctx.set(port.valid, answer)
            if answer:
                ctx.set(port.data, word(waiting.popleft()[1]))

    async def sink(self, ctx: TestbenchContext) -> None:
        rng = random.Random(f"sink {self.seed}")
        o = self.dut.o
        while len(self.got) < len(self.addresses):
            willing = rng.random() >= self.pause
            ctx.set(o.ready, willing)
            _, _, offered, payload = await ctx.tick().sample(o.valid, o.payload)
            self.cycles += 1
            assert self.cycles < 20 * len(self.addresses) + 100, f"stuck after {self.got}"
            if willing and offered:
                self.got.append((payload.tag, list(payload.data)))

    def run(self) -> None:
        sim = Simulator(self.dut)
        sim.add_clock(CLOCK_PERIOD)
        sim.add_testbench(self.source)
        sim.add_testbench(self.memory, background=True)
        sim.add_testbench(self.sink)
        sim.run()
        want = [(n % (1 << TAG), word(a)) for n, a in enumerate(self.addresses)]
        assert_same(self.got, want, self.addresses)


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("latency", [1, 2, 5, 30])
@pytest.mark.parametrize("seed", range(3))
def test_words_come_back_with_their_tags(seed: int, latency: int, pause: float) -> None:
    rng = random.Random(seed)
    addresses = [rng.randrange(1 << 20) for _ in range(120)]
    Bench(addresses, latency=latency, pause=pause, seed=seed).run()


@pytest.mark.parametrize("latency", [1, 5, 12])
def test_one_word_per_cycle(latency: int) -> None:
    bench = Bench(list(range(200)), latency=latency, pause=0.0, seed=0)
    assert latency <= bench.dut.depth - 4
    bench.run()
    assert bench.cycles == 200 + latency + Fetch.LATENCY


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("depth", [2, 16])
@pytest.mark.parametrize("seed", range(3))
def test_queue_keeps_order(seed: int, depth: int, pause: float) -> None:
    shape = data.StructLayout({"a": 5, "b": 3})
    rng = random.Random(seed)
    sent: list[Any] = [{"a": rng.randrange(32), "b": rng.randrange(8)} for _ in range(100)]
    dut = Queue(shape, depth)
    got = run_stream(dut, sent, len(sent), i=dut.i, o=dut.o, pause=pause, seed=seed)
    assert_same([{"a": g.a, "b": g.b} for g in got], sent, sent)
