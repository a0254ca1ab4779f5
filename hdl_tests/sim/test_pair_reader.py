"""`hw.mxu.pair_reader` between a `Fetch` and memories of any latency."""

import itertools
import random
from collections import deque
from typing import Any

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD, assert_same
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.fetch import Fetch
from vitaccel.hw.mxu.pair_reader import PairReader

CONFIG = AcceleratorConfig(rows=32, columns=64, weight_bits=4)
Word = list[int]
Wanted = tuple[int, int | None]  # address, distance if paired


def merged(memory: dict[int, Word], wanted: Wanted) -> Word:
    address, distance = wanted
    word = memory[address]
    if distance is None:
        return word
    return [a & 15 | (b & 15) << 4 for a, b in zip(word, memory[address + distance], strict=True)]


class Bench:
    """`Fetch`, `PairReader` and a memory; the source waits before it changes `paired`."""

    def __init__(
        self, memory: dict[int, Word], wanted: list[Wanted], *, latency: int = 3, pause: float = 0.0
    ) -> None:
        self.words, self.wanted = memory, wanted
        self.latency, self.pause = latency, pause
        self.fetch, self.dut = Fetch(CONFIG, 0), PairReader(CONFIG)
        self.got: list[Word] = []
        self.asked: list[int] = []
        self.cycles = 0

    async def source(self, ctx: TestbenchContext) -> None:
        rng = random.Random("source")
        i = self.fetch.i
        for n_sent, (address, distance) in enumerate(self.wanted):
            paired = distance is not None
            while paired != ctx.get(self.dut.paired) and len(self.got) < n_sent:
                await ctx.tick()
            while rng.random() < self.pause:
                await ctx.tick()
            ctx.set(self.dut.paired, paired)
            ctx.set(self.dut.distance, distance or 0)
            ctx.set(i.payload.address, address)
            ctx.set(i.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(i.ready)
            ctx.set(i.valid, 0)
            ctx.set(self.dut.distance, rng.randrange(2**16))

    async def memory(self, ctx: TestbenchContext) -> None:
        rng = random.Random("memory")
        port = self.dut.memory
        waiting: deque[tuple[int, int]] = deque()
        while True:
            willing = rng.random() >= self.pause
            ctx.set(port.request.ready, willing)
            answer = waiting and waiting[0][0] <= self.cycles and rng.random() >= self.pause
            ctx.set(port.valid, bool(answer))
            other = [rng.randrange(256) for _ in range(CONFIG.rows)]
            ctx.set(port.data, self.words[waiting.popleft()[1]] if answer else other)
            request = port.request
            _, _, asked, address = await ctx.tick().sample(request.valid, request.payload)
            self.cycles += 1
            if asked and willing:
                self.asked.append(address)
                waiting.append((self.cycles + self.latency - 1, address))

    async def sink(self, ctx: TestbenchContext) -> None:
        rng = random.Random("sink")
        o = self.fetch.o
        while len(self.got) < len(self.wanted):
            willing = rng.random() >= self.pause
            ctx.set(o.ready, willing)
            _, _, offered, word = await ctx.tick().sample(o.valid, o.p.data)
            assert self.cycles < 40 * len(self.wanted) + 100, f"stuck after {len(self.got)}"
            if willing and offered:
                self.got.append(list(word))

    def run(self) -> None:
        m = Module()
        m.submodules.fetch, m.submodules.dut = self.fetch, self.dut
        wiring.connect(m, self.fetch.port, self.dut.port)
        sim = Simulator(m)
        sim.add_clock(CLOCK_PERIOD)
        sim.add_testbench(self.source, background=True)
        sim.add_testbench(self.memory, background=True)
        sim.add_testbench(self.sink)
        sim.run()
        assert_same(self.got, [merged(self.words, w) for w in self.wanted], self.wanted)
        pairs: list[list[Any]] = [[a] if d is None else [a, a + d] for a, d in self.wanted]
        assert self.asked == list(itertools.chain(*pairs))


def memory_of(rng: random.Random, wanted: list[Wanted]) -> dict[int, Word]:
    addresses = {a + offset for a, d in wanted for offset in (0, d or 0)}
    return {a: [rng.randrange(256) for _ in range(CONFIG.rows)] for a in addresses}


def test_all_pairs_of_bytes() -> None:
    """Only the low nibbles count."""
    rows = CONFIG.rows
    words = [list(range(n, n + rows)) for n in range(0, 256, rows)]
    turned = [word[r:] + word[:r] for word in words for r in range(rows)]
    memory = dict(enumerate([*words, *turned]))
    wanted: list[Wanted] = [
        (a, b - a) for a in range(len(words)) for b in range(len(words), len(memory))
    ]
    lanes = {pair for a, b in itertools.product(words, turned) for pair in zip(a, b, strict=True)}
    assert len(lanes) == 2**16
    Bench(memory, wanted).run()


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("latency", [1, 5, 30])
def test_pairs_and_single_words(latency: int, pause: float) -> None:
    rng = random.Random(latency)
    wanted: list[Wanted] = []
    while len(wanted) < 150:
        paired = rng.random() < 0.5
        for _ in range(rng.choice([1, 2, 20])):
            distance = rng.choice([0, 1, 65535, rng.randrange(65536)]) if paired else None
            wanted.append((rng.randrange(2**16), distance))
    Bench(memory_of(rng, wanted), wanted, latency=latency, pause=pause).run()


def test_two_cycles_per_pair() -> None:
    wanted: list[Wanted] = [(n, 1) for n in range(0, 200, 2)]
    bench = Bench(memory_of(random.Random(0), wanted), wanted)
    bench.run()
    assert bench.cycles == 200 + bench.latency + Fetch.LATENCY
