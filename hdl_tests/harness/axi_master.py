"""AXI4 bursts in Amaranth's simulator."""

import random
from collections.abc import Callable, Coroutine
from typing import Any

from amaranth.lib import wiring
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD

__all__ = ["Bench", "Master", "simulate"]

Bench = Callable[[TestbenchContext], Coroutine[Any, Any, None]]


class Master:
    """Bursts on the ports of a memory, holding back in every cycle with probability ``pause``."""

    def __init__(self, dut: Any, pause: float, seed: int) -> None:
        self.dut, self.pause, self.rng = dut, pause, random.Random(seed)

    async def _offer(self, ctx: TestbenchContext, channel: str, **fields: int) -> None:
        while self.rng.random() < self.pause:
            await ctx.tick()
        for name, value in fields.items():
            ctx.set(getattr(self.dut, channel + name), value)
        valid, ready = (getattr(self.dut, channel + end) for end in ("valid", "ready"))
        ctx.set(valid, 1)
        taken = 0
        while not taken:
            _, _, taken = await ctx.tick().sample(ready)
        ctx.set(valid, 0)

    async def _take(self, ctx: TestbenchContext, channel: str, *names: str) -> list[int]:
        valid, ready = (getattr(self.dut, channel + end) for end in ("valid", "ready"))
        signals = [getattr(self.dut, channel + name) for name in names]
        while True:
            willing = self.rng.random() >= self.pause
            ctx.set(ready, willing)
            _, _, offered, *values = await ctx.tick().sample(valid, *signals)
            if willing and offered:
                ctx.set(ready, 0)
                return values

    async def write(
        self, ctx: TestbenchContext, address: int, beats: list[tuple[int, int]]
    ) -> list[int]:
        """Write ``(data, strobe)`` beats; ID and response of the answer."""
        await self._offer(ctx, "aw", addr=address, len=len(beats) - 1, id=address >> 2 & 1)
        for n, (word, strobe) in enumerate(beats):
            await self._offer(ctx, "w", data=word, strb=strobe, last=n == len(beats) - 1)
        return await self._take(ctx, "b", "id", "resp")

    async def read(self, ctx: TestbenchContext, address: int, n_beats: int) -> list[list[int]]:
        """Read beats: data, response, last and ID of each."""
        await self._offer(ctx, "ar", addr=address, len=n_beats - 1, id=address >> 2 & 1)
        return [await self._take(ctx, "r", "data", "resp", "last", "id") for _ in range(n_beats)]


def simulate(dut: wiring.Component, *benches: Bench) -> None:
    async def guard(ctx: TestbenchContext) -> None:
        await ctx.delay(50_000 * CLOCK_PERIOD)
        raise AssertionError("the memory hangs")

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    for bench in benches:
        sim.add_testbench(bench)
    sim.add_testbench(guard, background=True)
    sim.run()
