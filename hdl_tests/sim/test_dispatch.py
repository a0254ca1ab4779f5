"""A unit's queue: order, tokens, program counters."""

import random
from dataclasses import dataclass, field

import pytest
from amaranth import unsigned
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.shell.dispatch import Dispatch
from vitaccel.hw.shell.semaphores import Semaphores

N = 5
Item = tuple[int, int]  # wait, signal


@dataclass
class Run:
    """Plays semaphores and the unit; checks each rule as it happens."""

    items: list[Item]
    pause: float
    seed: int = 0
    most: int = Semaphores.MOST
    depth: int = 3  # commands the unit works on at once
    tokens: list[int] = field(default_factory=lambda: [0] * N)
    given: list[int] = field(default_factory=lambda: [0] * N)
    started: int = 0
    taken: list[int] = field(default_factory=list)
    done: int = 0
    cycles: int = 0

    def run(self, max_cycles: int = 5000) -> "Run":
        self.dut = Dispatch(AcceleratorConfig(), unsigned(20))
        sim = Simulator(self.dut)
        sim.add_clock(CLOCK_PERIOD)
        sim.add_testbench(self.push, background=True)

        async def watch(ctx: TestbenchContext) -> None:
            ctx.set(self.dut.enable, 1)
            rng = random.Random(f"unit {self.seed}")
            while not (self.done == len(self.items) and not ctx.get(self.dut.active)):
                await self.cycle(ctx, rng)
                self.cycles += 1
                assert self.cycles < max_cycles, f"{self.started} started, {self.done} done"

        sim.add_testbench(watch)
        sim.run()
        return self

    async def push(self, ctx: TestbenchContext) -> None:
        port = self.dut.i
        for n, (wait, signal) in enumerate(self.items):
            ctx.set(port.payload, {"pc": 7 + n, "wait": wait, "signal": signal, "fields": 3 * n})
            ctx.set(port.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(port.ready)
            ctx.set(port.valid, 0)
            assert ctx.get(self.dut.active), "from the cycle after on"

    async def cycle(self, ctx: TestbenchContext, rng: random.Random) -> None:
        dut = self.dut
        has = sum((self.tokens[n] > 0) << n for n in range(N))
        room = sum((self.given[n] < self.most) << n for n in range(N))
        willing = len(self.taken) - self.done < self.depth and rng.random() >= self.pause
        ends = self.done < len(self.taken) and rng.random() >= self.pause
        ctx.set(dut.has, has)
        ctx.set(dut.room, room)
        ctx.set(dut.command.ready, willing)
        ctx.set(dut.done, ends)
        if self.done < len(self.taken):
            assert ctx.get(dut.pc) == 7 + self.done, "pc is that of the oldest one"
        _, _, take, give, offered, fields, waiting = await ctx.tick().sample(
            dut.take, dut.give, dut.command.valid, dut.command.payload, dut.waiting
        )
        assert take & ~has == 0
        assert give & ~room == 0
        if take:
            while self.items[self.started][0] == 0:
                self.started += 1
            assert take == self.items[self.started][0], "all tokens at once"
            self.started += 1
        if waiting:
            assert self.items[len(self.taken)][0] & ~has
        for n in range(N):
            self.tokens[n] += (rng.random() < 0.1) - (take >> n & 1)
            self.given[n] += give >> n & 1
        if offered and willing:
            wanted = sum(1 for wait, _ in self.items[: len(self.taken) + 1] if wait)
            taken = sum(1 for wait, _ in self.items[: max(self.started, 0)] if wait)
            assert taken >= wanted, "offered before its tokens were taken"
            assert fields == 3 * len(self.taken), "in order"
            self.taken.append(fields)
        self.done += ends
        finished = self.items[: self.done]
        for n in range(N):
            assert self.given[n] <= sum(signal >> n & 1 for _, signal in finished)


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_tokens_and_order(seed: int, pause: float) -> None:
    rng = random.Random(seed)
    items = [(rng.choice([0, 0, 1, 6, 31]), rng.choice([0, 1, 24, 31])) for _ in range(60)]
    run = Run(items, pause, seed).run()
    for n in range(N):
        assert run.given[n] == sum(signal >> n & 1 for _, signal in items)


def test_full_semaphores_hold_signals_back() -> None:
    """The unit goes on as far as unsignalled instructions are kept, and no token is lost."""
    run = Run([(0, 1)] * 20, 0.0, most=3)
    with pytest.raises(AssertionError, match="20 started|done"):
        run.run(max_cycles=300)
    assert run.given[0] == 3
    assert 3 < run.done <= 3 + Dispatch.UNFINISHED + 1


def test_interval() -> None:
    n = 40
    run = Run([(0, 0)] * n, 0.0).run()
    assert run.cycles <= n * Dispatch.INTERVAL + Dispatch.LATENCY + 6


def test_disabled_starts_nothing() -> None:
    dut = Dispatch(AcceleratorConfig(), unsigned(20))

    async def drive(ctx: TestbenchContext) -> None:
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.command.ready, 1)
        for _ in range(20):
            _, _, offered = await ctx.tick().sample(dut.command.valid)
            assert not offered
        assert ctx.get(dut.active)
        ctx.set(dut.enable, 1)
        await ctx.tick()
        assert ctx.get(dut.command.valid)

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(drive)
    sim.run()
