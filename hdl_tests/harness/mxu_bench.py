"""The matrix unit between memories and a POST that drains, in Amaranth's simulator."""

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.gemm import (
    Gemm,
    Ints,
    Words,
    columns_of_bits,
    expected,
    random_memories,
    word_bits,
)
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.mxu import Mxu
from vitaccel.hw.ports import DRAIN_LATENCY


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
            ctx.set(dut.command.payload.as_value(), gemm.as_bits(hybrid=self.config.hybrid))
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
