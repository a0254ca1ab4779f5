"""A unit of commands between a memory that answers and somebody who commands."""

import random
from typing import Any

from amaranth.sim import Simulator

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.isa import Status

__all__ = ["UnitBench"]

AFTER_FAULT = 200  # cycles in which a refused command may still do harm


class UnitBench:
    """Notes when a unit took, asked, wrote and was done; on both sides random pauses.

    Parameters
    ----------
    dut
        ``command``, ``done``, ``busy``, ``fault``, ``src`` and ``dst`` as `hw.vector.Vector`'s.
    memory
        Its words; changed in place.
    pause, rest
        Share of the cycles in which nothing is asked and in which nothing is written.
    delays
        Cycles from a command's last write to ``done``, at least and at most.
    """

    def __init__(
        self,
        dut: Any,
        memory: list[list[int]],
        pause: float = 0.0,
        rest: float | None = None,
        *,
        delays: tuple[int, int] = (1, 1),
    ) -> None:
        self.dut = dut
        self.memory = memory
        self.pause = pause
        self.rest = pause if rest is None else rest
        self.delays = delays
        self.cycle = 0
        self.taken: list[int] = []
        self.done: list[int] = []
        self.requests: list[int] = []
        self.writes: list[int] = []
        self.fault = Status.OK

    async def offer(self, ctx: Any, rng: random.Random, payload: Any) -> None:
        """Offer a command until it is taken."""
        command = self.dut.command
        while rng.random() < self.pause:
            await ctx.tick()
        ctx.set(command.payload, payload)
        ctx.set(command.valid, 1)
        taken = 0
        while not taken:
            _, _, taken = await ctx.tick().sample(command.ready)
        self.taken.append(self.cycle)
        ctx.set(command.valid, 0)

    def run(self, command: Any, n_commands: int, *, seed: int = 0, max_cycles: int) -> None:
        """Serve until ``n_commands`` are done, or for a while after a fault.

        ``command`` is a testbench that offers them.
        """

        async def world(ctx: Any) -> None:
            rng = random.Random(seed)
            under_way: list[list[int]] = []
            after = 0
            while len(self.done) < n_commands and after < AFTER_FAULT:
                await self._serve(ctx, rng, under_way)
                self.cycle += 1
                after += self.fault != Status.OK
                assert self.cycle < max_cycles, vars(self)

        sim = Simulator(self.dut)
        sim.add_clock(CLOCK_PERIOD)
        sim.add_testbench(self._observe, background=True)
        sim.add_testbench(command, background=True)
        sim.add_testbench(world)
        sim.run()

    async def _serve(self, ctx: Any, rng: random.Random, under_way: list[list[int]]) -> None:
        """One cycle of the memory."""
        src, dst = self.dut.src, self.dut.dst
        reads, writes = rng.random() >= self.pause, rng.random() >= self.rest
        ctx.set(src.request.ready, reads)
        ctx.set(dst.ready, writes)
        answers = bool(under_way) and rng.random() >= self.pause / 2
        ctx.set(src.valid, answers)
        if answers:
            ctx.set(src.data, under_way.pop(0))
        _, _, asked, address, wrote, write = await ctx.tick().sample(
            src.request.valid, src.request.payload, dst.valid, dst.payload
        )
        if asked and reads:
            self.requests.append(self.cycle)
            under_way.append(list(self.memory[address]))
        if wrote and writes:
            self.writes.append(self.cycle)
            self.memory[write.address] = list(write.data)

    async def _observe(self, ctx: Any) -> None:
        """Check `done`, `busy` and `fault` in every cycle; runs before the others note theirs."""
        least, most = self.delays
        while True:
            _, _, done, busy, fault = await ctx.tick().sample(
                self.dut.done, self.dut.busy, self.dut.fault
            )
            if done:
                assert least <= self.cycle - self.writes[-1] <= most
                self.done.append(self.cycle)
            assert busy == (len(self.taken) > len(self.done))
            assert Status(fault) == self.fault or self.fault == Status.OK
            self.fault = Status(fault)
