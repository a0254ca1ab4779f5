# amaranth: UnusedElaboratable=no
"""`hw.mxu.mxu` against exact integer matrix products."""

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.gemm import (
    Gemm,
    Ints,
    Words,
    columns_of_bits,
    expected,
    modes,
    random_gemm,
    random_memories,
    word_bits,
)
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.accumulators import Accumulators
from vitaccel.hw.mxu.mxu import Mxu
from vitaccel.hw.ports import DRAIN_LATENCY
from vitaccel.isa import Columns, Stationary

SMALL = AcceleratorConfig(accumulator_rows=16, activation_words=1024, weight_words=256)
CONFIGS = {
    "4x4": SMALL.replace(rows=4, columns=4),
    "4x4-a6": SMALL.replace(rows=4, columns=4, activation_bits=6, weight_bits=6),
    "4x8-packed": SMALL.replace(rows=4, columns=8, weight_bits=4),
    "4x8-pot": SMALL.replace(rows=4, columns=8, pot_columns=4),
    "4x12-mixed": SMALL.replace(
        rows=4, columns=12, pot_columns=4, weight_bits=4, log2_attention=True
    ),
    "3x6-log2": SMALL.replace(rows=3, columns=6, pot_columns=3, log2_attention=True),
    "3x6-pot5": SMALL.replace(rows=3, columns=6, pot_columns=3, pot_bits=5, accumulator_bits=24),
}


class Bench:
    """An `Mxu` between memories and a POST that drains; all pause at random."""

    def __init__(
        self,
        config: AcceleratorConfig,
        gemms: Sequence[Gemm],
        *,
        pause: float = 0.0,
        latency: int = 5,
        seed: int = 0,
    ) -> None:
        self.config, self.gemms, self.pause, self.latency = config, gemms, pause, latency
        self.rng = random.Random(seed)
        self.memories = random_memories(config, np.random.default_rng(seed))
        self.dut = Mxu(config)
        self.cycle = 0
        self.beats: list[int] = []
        self.dones: list[int] = []
        self.sums: list[Ints] = []  # drained, [n_rows, columns] per n_tile
        self.taken: list[int] = []
        self.filled: list[int] = []  # cycles in which a bank became full

    def run(self, max_cycles: int = 20_000) -> None:
        sim = Simulator(self.dut)
        sim.add_clock(CLOCK_PERIOD)
        sim.add_testbench(self.watch, background=True)  # first, so that all count alike
        sim.add_testbench(self.commands)
        sim.add_testbench(self.post)
        activations, weights = self.memories
        for port, words in (
            (self.dut.stream, activations),
            (self.dut.stationary, activations),
            (self.dut.weights, weights),
        ):
            sim.add_testbench(self.memory(port, words), background=True)

        async def guard(ctx: TestbenchContext) -> None:
            await ctx.delay(max_cycles * CLOCK_PERIOD)
            raise AssertionError(f"no end after {max_cycles} cycles: {len(self.sums)} tiles")

        sim.add_testbench(guard, background=True)
        sim.run()

    def memory(self, port: Any, words: Words) -> Any:
        async def answer(ctx: TestbenchContext) -> None:
            waiting: deque[tuple[int, int]] = deque()  # (cycle it is due, word)
            while True:
                ctx.set(port.request.ready, self.rng.random() >= self.pause)
                due = waiting and waiting[0][0] <= self.cycle
                ctx.set(port.valid, bool(due))
                bits = waiting.popleft()[1] if due else self.rng.getrandbits(8)
                ctx.set(port.data.as_value(), bits)
                ready, address = port.request.ready, port.request.payload
                *_, valid, ready, address = await ctx.tick().sample(
                    port.request.valid, ready, address
                )
                if valid and ready:
                    delay = self.rng.randrange(12) if self.pause else self.latency - 1
                    waiting.append((self.cycle + delay, word_bits(words[address % len(words)])))

        return answer

    async def commands(self, ctx: TestbenchContext) -> None:
        dut = self.dut
        for gemm in self.gemms:
            while self.rng.random() < self.pause:
                await ctx.tick()
            ctx.set(dut.command.payload.as_value(), gemm.as_bits())
            ctx.set(dut.command.valid, 1)
            ready = 0
            while not ready:
                *_, ready = await ctx.tick().sample(dut.command.ready)
            self.taken.append(self.cycle)
            ctx.set(dut.command.valid, 0)
        while len(self.dones) < len(self.gemms):
            *_, busy = await ctx.tick().sample(dut.busy)
            assert busy or len(self.dones) == len(self.gemms)
        await ctx.tick()
        assert not ctx.get(dut.busy)

    async def post(self, ctx: TestbenchContext) -> None:
        drain = self.dut.drain
        for gemm in self.gemms:
            for _ in range(gemm.n_tiles):
                full = 0
                while not full or self.rng.random() < self.pause:
                    *_, full = await ctx.tick().sample(drain.full)
                self.filled.append(self.cycle)
                raw = []
                for row in range(gemm.n_rows + DRAIN_LATENCY):
                    ctx.set(drain.address, row % gemm.n_rows)
                    *_, bits = await ctx.tick().sample(drain.data.as_value())
                    raw.append(columns_of_bits(self.config, bits))
                self.sums.append(np.stack(raw[DRAIN_LATENCY:]))
                ctx.set(drain.release, 1)
                await ctx.tick()
                ctx.set(drain.release, 0)

    async def watch(self, ctx: TestbenchContext) -> None:
        dut = self.dut
        while True:
            *_, beat, done, fault = await ctx.tick().sample(dut.beat, dut.done, dut.fault)
            assert fault == isa.Status.OK
            self.cycle += 1
            if beat:
                self.beats.append(self.cycle)
            if done:
                self.dones.append(self.cycle)

    def check(self) -> None:
        """Compare every drained tile with numpy."""
        assert len(self.dones) == len(self.gemms)
        drained = iter(self.sums)
        for gemm in self.gemms:
            for n_tile, (filled, want) in enumerate(expected(self.config, gemm, self.memories)):
                got = next(drained)[:, filled]
                assert np.array_equal(got, want), f"tile {n_tile} of {gemm}"
        n_beats = sum(gemm.n_rows * gemm.k_tiles * gemm.n_tiles for gemm in self.gemms)
        assert len(self.beats) == n_beats


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("name", CONFIGS)
def test_random_commands(name: str, pause: float) -> None:
    config, rng = CONFIGS[name], np.random.default_rng(len(name))
    each = [random_gemm(config, rng, source=s, columns=c) for s, c in modes(config)]
    gemms = [*each, *(random_gemm(config, rng) for _ in range(8 - len(each)))]
    bench = Bench(config, gemms, pause=pause, seed=len(name))
    bench.run()
    bench.check()


def test_every_row_count() -> None:
    """Short tiles wait so that beats of a row keep their distance; loading them is no slower."""
    config = CONFIGS["4x4"].replace(rows=2, columns=2)
    gemms = [
        Gemm(n_rows=n_rows, k_tiles=4, stream=7 * n_rows, stream_stride=5, stationary=n_rows)
        for n_rows in range(1, config.accumulator_rows + 1)
    ]
    bench = Bench(config, gemms)
    bench.run()
    bench.check()


def test_accumulators_wrap() -> None:
    config = CONFIGS["4x4"].replace(accumulator_bits=20)
    bench = Bench(config, [Gemm(n_rows=4, k_tiles=20, unsigned=1)])
    for memory, value in zip(bench.memories, (255, 127), strict=True):
        memory[:] = value
    bench.run()
    bench.check()
    assert 80 * 255 * 127 >= 2**20
    assert (bench.sums[0] == 80 * 255 * 127 - (2 << 20)).all()


@pytest.mark.parametrize("name", ["4x8-pot", "4x8-packed", "4x12-mixed", "3x6-log2"])
def test_beats_without_gaps(name: str) -> None:
    """Tiles, n-tiles and commands follow each other without a bubble, whatever their source."""
    config = CONFIGS[name]
    gemms = [
        Gemm(n_rows=16, k_tiles=4, n_tiles=2, stationary_stride=3, source=s, columns=c)
        for s, c in modes(config)
    ]
    bench = Bench(config, gemms)
    bench.run()
    bench.check()
    assert bench.beats == [bench.beats[0] + n for n in range(len(gemms) * 128)]
    assert bench.dones == bench.beats[127::128]


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 5])
def test_time_of_one_command(n_rows: int) -> None:
    config = CONFIGS["4x4"]
    bench = Bench(config, [Gemm(n_rows=n_rows)], latency=1)
    bench.run()
    assert bench.beats == [bench.taken[0] + Mxu.START_CYCLES + 4 + n for n in range(n_rows)]
    assert bench.filled[0] == bench.beats[-1] + Accumulators(config).latency


@pytest.mark.parametrize(
    "change",
    [
        {"n_rows": 0},
        {"n_rows": 17},
        {"k_tiles": 0},
        {"n_tiles": 0},
        {"source": 3},
        {"columns": Columns.PACKED, "source": Stationary.ROWS},
        {"lanes_before": 1},
        {"lanes_after": 1},
        {"columns": Columns.UNIFORM, "source": Stationary.TRANSPOSED, "lanes_before": 1},
        {"columns": Columns.UNIFORM, "source": Stationary.ROWS, "lanes_before": 4},
        {"columns": Columns.UNIFORM, "source": Stationary.ROWS, "lanes_after": 4},
        {"columns": Columns.UNIFORM, "source": Stationary.ROWS, "stationary_stride": 2**14},
        {"columns": Columns.POT, "source": Stationary.WEIGHT},
        {"columns": Columns.POT, "source": Stationary.ROWS},
        {"columns": Columns.ALL, "source": Stationary.ROWS},
        {"columns": Columns.ALL, "source": Stationary.TRANSPOSED},
        {"columns": Columns.UNIFORM, "source": 2, "stationary_stride": 2**14},
    ],
    ids=str,
)
def test_refuses_illegal_fields(change: dict[str, int]) -> None:
    """The command before finishes, the illegal one and those after it are not executed."""
    dut = Mxu(CONFIGS["4x8-pot"])
    gemms = [Gemm(n_rows=2), Gemm(**change)]

    async def offer(ctx: TestbenchContext) -> None:
        ctx.set(dut.stream.request.ready, 1)
        ctx.set(dut.weights.request.ready, 1)
        ctx.set(dut.command.valid, 1)
        n_taken = n_done = 0
        for _ in range(100):
            ctx.set(dut.command.payload.as_value(), gemms[min(n_taken, 1)].as_bits())
            asked = ctx.get(dut.weights.request.valid), ctx.get(dut.stream.request.valid)
            *_, ready, done = await ctx.tick().sample(dut.command.ready, dut.done)
            n_taken, n_done = n_taken + ready, n_done + done
            ctx.set(dut.weights.valid, asked[0])
            ctx.set(dut.stream.valid, asked[1])
        assert (n_taken, n_done) == (2, 1)
        assert ctx.get(dut.fault) == isa.Status.ILLEGAL_FIELD

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(offer)
    sim.run()
