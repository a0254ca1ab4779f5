"""A POST between all that it talks to."""

import random
from collections import deque

from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.post_cases import Case, Memories
from hdl_tests.harness.pysim import CLOCK_PERIOD, assert_same
from vitaccel import isa
from vitaccel.hw.post.post import Post

__all__ = ["PostBench"]

READ_LATENCY = 5


class PostBench:
    """A `Post` between a queue, accumulators, a memory to read and one to write."""

    def __init__(
        self, memories: Memories, cases: list[Case], *, pause: float = 0.0, seed: int = 0
    ) -> None:
        self.config = memories.config
        self.dut = Post(self.config)
        self.memories = memories
        self.cases = cases
        self.pause = pause
        self.seed = seed
        self.now = 0
        self.first_full = 0
        self.taken: list[int] = []  # cycles
        self.done: list[int] = []
        self.written: list[int] = []
        self.got: list[tuple[int, list[int], int]] = []
        self.asked = 0
        self.loaded = False
        self.late: int | None = None  # slot of a table to be written while commands run
        self.bad: dict[str, int] | None = None  # a command after all others
        self.status = isa.Status.OK

    def run(self) -> None:
        sim = Simulator(self.dut)
        sim.add_clock(CLOCK_PERIOD)
        sim.add_testbench(self.clock, background=True)  # the first: counts before others look
        for process in (self.drain, self.residual, self.watch):
            sim.add_testbench(process, background=True)
        if self.late is not None:
            sim.add_testbench(self.late_table, background=True)
        for process in (self.command, self.write):
            sim.add_testbench(process)
        sim.run()

    def check(self) -> None:
        self.run()
        want = [write for case in self.cases for write in case.want]
        sent = [case.fields for case in self.cases for _ in case.want]
        assert_same(self.got, want, sent)
        total, ends = 0, []
        for case in self.cases:
            total += len(case.want)
            ends.append(self.written[total - 1] + 1)
        assert self.done == ends
        reads = sum(len(c.want) for c in self.cases if c.fields["use_residual"])
        assert self.asked == reads

    async def clock(self, ctx: TestbenchContext) -> None:
        while True:
            await ctx.tick()
            self.now += 1
            assert self.now < 20_000, f"stuck after {len(self.got)} words"

    async def load(self, ctx: TestbenchContext) -> None:
        tables = any(case.fields["use_table"] for case in self.cases)
        for port, writes in (
            (self.dut.param, self.memories.param_writes()),
            (self.dut.table, self._table(early=True) if tables else []),
        ):
            ctx.set(port.valid, 1)
            for address, lanes in writes:
                ctx.set(port.payload, {"address": address, "data": lanes})
                assert ctx.get(port.ready)
                await ctx.tick()
            ctx.set(port.valid, 0)
        self.loaded = True

    def _table(self, *, early: bool) -> list[tuple[int, list[int]]]:
        return [
            write for write in self.memories.table_writes() if (write[0] >> 8 != self.late) == early
        ]

    async def late_table(self, ctx: TestbenchContext) -> None:
        port = self.dut.table
        while not self.written:
            await ctx.tick()
        for address, lanes in self._table(early=False):
            ctx.set(port.payload, {"address": address, "data": lanes})
            ctx.set(port.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(port.ready)
        ctx.set(port.valid, 0)
        self.late = None

    async def command(self, ctx: TestbenchContext) -> None:
        rng = random.Random(f"command {self.seed}")
        await self.load(ctx)
        port = self.dut.command
        for case in self.cases:
            while rng.random() < self.pause:
                await ctx.tick().repeat(rng.choice([1, 20]))
            while case.fields["table"] == self.late:
                await ctx.tick()
            ctx.set(port.payload, case.fields)
            ctx.set(port.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(port.ready)
            self.taken.append(self.now)
            ctx.set(port.valid, 0)
        if self.bad:
            ctx.set(port.payload, self.bad)
            ctx.set(port.valid, 1)
            await ctx.tick().repeat(100)
            assert not ctx.get(port.ready)

    async def drain(self, ctx: TestbenchContext) -> None:
        """Both banks as one queue of tiles; a read that a release overtakes finds another bank."""
        rng = random.Random(f"drain {self.seed}")
        port = self.dut.drain
        tiles = deque(tile for case in self.cases for tile in case.tiles)
        wrong = [[-1] * self.config.columns] * self.config.accumulator_rows
        shown, address = wrong, 0
        full = False
        while True:
            _, _, asked, release = await ctx.tick().sample(port.address, port.release)
            if release:
                assert full, "released an empty bank"
                tiles.popleft()
                full = False
            if not full and tiles and self.loaded and rng.random() >= self.pause:
                full = True
                self.first_full = self.first_full or self.now
            shown = tiles[0].tolist() if full else wrong
            if release:  # what was read before the release is gone
                ctx.set(port.data, wrong[0])
            else:
                ctx.set(port.data, shown[address] if address < len(shown) else wrong[0])
            ctx.set(port.full, full)
            address = asked

    async def residual(self, ctx: TestbenchContext) -> None:
        rng = random.Random(f"residual {self.seed}")
        port = self.dut.residual
        waiting: deque[tuple[int, int]] = deque()
        while True:
            willing = rng.random() >= self.pause
            ctx.set(port.request.ready, willing)
            _, _, valid, address = await ctx.tick().sample(port.request.valid, port.request.payload)
            if valid and willing:
                waiting.append((self.now + READ_LATENCY, address))
                self.asked += 1
            answer = bool(waiting) and waiting[0][0] <= self.now + 1 and rng.random() >= self.pause
            ctx.set(port.valid, answer)
            if answer:
                row = self.memories.residual[waiting.popleft()[1]]
                ctx.set(port.data, [int(v) & 255 for v in row])

    async def write(self, ctx: TestbenchContext) -> None:
        rng = random.Random(f"write {self.seed}")
        total = sum(len(case.want) for case in self.cases)
        port = self.dut.out
        while len(self.got) < total:
            willing = rng.random() >= self.pause
            ctx.set(port.ready, willing)
            _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
            if valid and willing:
                self.got.append((payload.address, list(payload.data), payload.keep))
                self.written.append(self.now)
        await ctx.tick().repeat(3)
        self.status = isa.Status(ctx.get(self.dut.fault))
        assert ctx.get(self.dut.busy) == bool(self.bad)

    async def watch(self, ctx: TestbenchContext) -> None:
        while True:
            _, _, done, busy = await ctx.tick().sample(self.dut.done, self.dut.busy)
            if done:
                self.done.append(self.now)
            assert busy >= (len(self.done) < len(self.taken) - 1)
