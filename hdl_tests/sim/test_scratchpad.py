"""`hw.memory.scratchpad` and `hw.streams.skid` against a dictionary of words."""

import random

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD, assert_same, run_stream
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.bank_arbiter import BankArbiter
from vitaccel.hw.memory.scratchpad import Scratchpad
from vitaccel.hw.streams.skid import Skid
from vitaccel.presets import PRESETS

WORDS = 80  # no power of two
TINY = PRESETS["tiny"].replace(activation_words=WORDS)


class Bench:
    """Random traffic on all ports; every answer must be a value the word held in time."""

    def __init__(
        self, config: AcceleratorConfig, *, readers: int, writers: int, seed: int, reach: int
    ) -> None:
        self.config = config
        self.dut = Scratchpad(config, readers, writers)
        self.seed = seed
        self.reach = reach  # addresses in use, from 0
        # (cycle taken, word) of every write, per address
        self.history: dict[int, list[tuple[int, int]]] = {}
        self.asked: list[list[tuple[int, int]]] = [[] for _ in range(readers)]
        self.answers: list[list[tuple[int, int]]] = [[] for _ in range(readers)]

    def run(self, n_reads: int, n_writes: int, pause: float) -> None:
        sim = Simulator(self.dut)
        sim.add_clock(CLOCK_PERIOD)
        for r in range(self.dut.n_readers):
            sim.add_testbench(self.reader(r, n_reads, pause))
        for w in range(self.dut.n_writers):
            sim.add_testbench(self.writer(w, n_writes, pause))
        sim.run()
        for asked, answers in zip(self.asked, self.answers, strict=True):
            self.check(asked, answers)

    def writer(self, w: int, count: int, pause: float):
        rng = random.Random(f"writer {w} {self.seed}")
        port = self.dut.writers[w]

        async def drive(ctx: TestbenchContext) -> None:
            cycle = 0
            for _ in range(count):
                while rng.random() < pause:
                    await ctx.tick()
                    cycle += 1
                # Each writer has words of its own: order between writers is not defined.
                address = rng.randrange(w, self.reach, self.dut.n_writers)
                word = rng.randrange(1 << 8 * self.config.rows)
                lanes = word.to_bytes(self.config.rows, "little")
                keep = rng.randrange(1 << self.config.rows) if rng.random() < 0.5 else 0
                ctx.set(port.payload, {"address": address, "data": list(lanes), "keep": keep})
                ctx.set(port.valid, 1)
                taken = 0
                while not taken:
                    _, _, taken = await ctx.tick().sample(port.ready)
                    cycle += 1
                writes = self.history.setdefault(address, [(0, 0)])
                kept = sum(255 << 8 * n for n in range(self.config.rows) if keep >> n & 1)
                writes.append((cycle, writes[-1][1] & kept | word & ~kept))
                ctx.set(port.valid, 0)

        return drive

    def reader(self, r: int, count: int, pause: float):
        rng = random.Random(f"reader {r} {self.seed}")
        port = self.dut.readers[r]

        async def drive(ctx: TestbenchContext) -> None:
            cycle, pending = 0, False
            while len(self.answers[r]) < count:
                if not pending and len(self.asked[r]) < count and rng.random() >= pause:
                    ctx.set(port.request.payload, rng.randrange(self.reach))
                    pending = True
                ctx.set(port.request.valid, pending)
                _, _, ready, address, valid, lanes = await ctx.tick().sample(
                    port.request.ready, port.request.payload, port.valid, port.data
                )
                cycle += 1
                assert cycle < 1000 + 20 * count, f"reader {r} starves"
                if pending and ready:
                    self.asked[r].append((cycle, address))
                    pending = False
                if valid:
                    self.answers[r].append((cycle, int.from_bytes(bytes(lanes), "little")))

        return drive

    def check(self, asked: list[tuple[int, int]], answers: list[tuple[int, int]]) -> None:
        worst = Scratchpad.LATENCY + BankArbiter.PATIENCE * (self.dut.n_readers - 1)
        for (start, address), (end, word) in zip(asked, answers, strict=True):
            writes = self.history.get(address, [(0, 0)])
            before = [w for t, w in writes if t < start]
            meanwhile = [w for t, w in writes if start <= t < end]
            assert word in {before[-1], *meanwhile}, f"cycle {start}, address {address}"
            # A request may also wait in the skid behind one that waits.
            assert Scratchpad.LATENCY <= end - start <= 2 * worst


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("banks", [1, 4, 16])
@pytest.mark.parametrize("seed", range(3))
def test_random_traffic(seed: int, banks: int, pause: float) -> None:
    config = TINY.replace(activation_banks=banks)
    Bench(config, readers=4, writers=3, seed=seed, reach=WORDS).run(100, 100, pause)


@pytest.mark.parametrize("seed", range(2))
def test_everyone_on_one_word(seed: int) -> None:
    bench = Bench(TINY, readers=5, writers=1, seed=seed, reach=1)
    bench.run(60, 60, 0.0)


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
def test_large_memory(pause: float) -> None:
    Bench(PRESETS["demo"], readers=5, writers=3, seed=1, reach=4096).run(150, 150, pause)


def stride_reads(dut: Scratchpad, r: int, addresses: list[int], cycles: list[int]):
    """Ask for every address as fast as it goes; note the cycles of the answers."""
    port = dut.readers[r]

    async def drive(ctx: TestbenchContext) -> None:
        sent = now = 0
        while len(cycles) < len(addresses):
            ctx.set(port.request.valid, sent < len(addresses))
            ctx.set(port.request.payload, addresses[min(sent, len(addresses) - 1)])
            _, _, ready, valid = await ctx.tick().sample(port.request.ready, port.valid)
            sent += ready and sent < len(addresses)
            if valid:
                cycles.append(now)
            now += 1
            assert now < 10_000

    return drive


def run_reads(n_readers: int, streams: dict[int, list[int]]) -> dict[int, list[int]]:
    dut = Scratchpad(TINY, n_readers, 1)
    cycles: dict[int, list[int]] = {r: [] for r in streams}
    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    for r, addresses in streams.items():
        sim.add_testbench(stride_reads(dut, r, addresses, cycles[r]))
    sim.run()
    return cycles


def test_latency_and_one_word_per_cycle() -> None:
    cycles = run_reads(3, {1: list(range(40))})
    assert cycles[1] == list(range(Scratchpad.LATENCY, Scratchpad.LATENCY + 40))


def test_readers_of_different_banks_do_not_disturb_each_other() -> None:
    cycles = run_reads(4, {r: [r] * 40 for r in range(4)})
    assert all(
        c == list(range(Scratchpad.LATENCY, Scratchpad.LATENCY + 40)) for c in cycles.values()
    )


@pytest.mark.parametrize("words", [4, 16, 32])
def test_a_column_of_rows_keeps_no_bank_busy(words: int) -> None:
    """The first reader takes a word of every row, as the array does; the second may take turns."""
    column = [row * words % WORDS for row in range(64)]
    cycles = run_reads(2, {0: column, 1: [0] * 24})
    assert cycles[1][-1] - cycles[1][0] <= 24 * 2


def test_first_reader_loses_at_most_one_cycle_in_patience() -> None:
    cycles = run_reads(3, {0: [0] * 80, 1: [0] * 8, 2: [0] * 8})
    assert cycles[0][-1] - cycles[0][0] <= 80 + 80 // BankArbiter.PATIENCE + 1
    assert cycles[1][0] <= Scratchpad.LATENCY + 2 * BankArbiter.PATIENCE
    assert cycles[2][0] <= Scratchpad.LATENCY + 2 * BankArbiter.PATIENCE


@pytest.mark.parametrize("address", [WORDS, WORDS + 1, 127, 1 << 19, (1 << 20) - 1])
def test_beyond_the_memory(address: int) -> None:
    dut = Scratchpad(TINY, 2, 2)
    seen = []

    async def drive(ctx: TestbenchContext) -> None:
        writer = dut.writers[1]
        for target in (address % WORDS, address):  # the second must not land on the first
            lanes = [target % 7 + 1] * TINY.rows
            ctx.set(writer.payload, {"address": target, "data": lanes})
            ctx.set(writer.valid, 1)
            await ctx.tick()
        ctx.set(writer.valid, 0)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.writer_fault) == 0b10
        assert ctx.get(dut.reader_fault) == 0
        port = dut.readers[0].request
        for target in (address % WORDS, address):
            ctx.set(port.payload, target)
            ctx.set(port.valid, 1)
            await ctx.tick()
        ctx.set(port.valid, 0)
        for _ in range(Scratchpad.LATENCY + 1):
            _, _, valid, lanes = await ctx.tick().sample(dut.readers[0].valid, dut.readers[0].data)
            if valid:
                seen.append(list(lanes))
        assert ctx.get(dut.reader_fault) == 0b01

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(drive)
    sim.run()
    assert seen == [[address % WORDS % 7 + 1] * TINY.rows, [0] * TINY.rows]


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_skid_keeps_order(seed: int, pause: float) -> None:
    rng = random.Random(seed)
    sent = [rng.randrange(256) for _ in range(100)]
    dut = Skid(8)
    got = run_stream(dut, sent, len(sent), i=dut.i, o=dut.o, pause=pause, seed=seed)
    assert_same(got, sent, sent)
