"""`hw.post.post` against `golden.ops.requant`, command by command."""

import random
from collections import deque

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.post_cases import Case, Memories, random_case
from hdl_tests.harness.pysim import CLOCK_PERIOD, assert_same
from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.post.post import Post
from vitaccel.presets import PRESETS

READ_LATENCY = 5

_SMALL = {"post_words": 16, "accumulator_rows": 16}
CONFIGS = {
    "one group": PRESETS["tiny"].replace(rows=3, columns=3, **_SMALL),
    "pot": PRESETS["demo"].replace(rows=2, columns=8, pot_columns=2, **_SMALL),
    "packed": PRESETS["w4a8"].replace(rows=2, columns=10, pot_columns=2, **_SMALL),
    "hybrid": PRESETS["demo"].replace(
        rows=4, columns=8, pot_columns=4, post_cycles=2, hybrid=True, **_SMALL
    ),
    "shift": PRESETS["shift"].replace(rows=2, columns=4, **_SMALL),
    "two parts": PRESETS["w4a8"].replace(
        rows=4, columns=12, pot_columns=4, post_cycles=2, post_products="mixed", **_SMALL
    ),
    "three parts": PRESETS["tiny"].replace(
        rows=6, columns=6, post_cycles=3, post_products="luts", **_SMALL
    ),
}


class Bench:
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


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("seed", range(2))
def test_random_commands(seed: int, config: AcceleratorConfig, pause: float) -> None:
    memories = Memories(config, seed)
    rng = random.Random(seed)
    cases = [random_case(rng, memories) for _ in range(12)]
    Bench(memories, cases, pause=pause, seed=seed).check()


@pytest.mark.parametrize("use_residual", [0, 1])
@pytest.mark.parametrize("name", ["pot", "packed", "two parts"])
def test_latency_and_cycles_per_word(name: str, use_residual: int) -> None:
    """Three cycles more per tile, none between commands; the residual costs nothing."""
    cycles = CONFIGS[name].post_cycles
    memories = Memories(CONFIGS[name], 0)
    rng = random.Random(0)
    shape = {"n_rows": 12, "n_words": 6, "tile_words": 2}
    cases = [
        random_case(rng, memories, use_table=0, use_residual=use_residual, **shape)
        for _ in range(3)
    ]
    bench = Bench(memories, cases)
    bench.check()
    want = []
    at = bench.written[0]
    for _ in range(3 * len(cases)):
        want += range(at, at + 24 * cycles, cycles)
        at += 24 * cycles + 3
    assert bench.written == want
    # Three cycles to check and cut the command, one each for taking and for walking the tile.
    start = bench.taken[0] + 5 + 9 * cycles * shape["tile_words"]
    assert bench.written[0] == start + bench.dut.latency


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("name", ["pot", "two parts"])
def test_tables_are_loaded_while_others_are_used(name: str, pause: float) -> None:
    """Words come as if nothing were loaded; the table goes into the gaps between tiles."""
    memories = Memories(CONFIGS[name], 0)
    rng = random.Random(0)
    shape = {"n_rows": 4, "n_words": 4, "tile_words": 1, "use_table": 1}
    cases = [random_case(rng, memories, table=0, low=-128, high=127, **shape) for _ in range(30)]
    alone = Bench(memories, cases, pause=pause)
    alone.check()
    later = [random_case(rng, memories, table=1, low=-128, high=127, **shape) for _ in range(3)]
    bench = Bench(memories, cases + later, pause=pause)
    bench.late = 1
    bench.check()
    if not pause:
        first, *_ = alone.written
        same = bench.written[: len(alone.written)]
        assert [t - same[0] for t in same] == [t - first for t in alone.written]


def test_tails_wait_for_their_parameters() -> None:
    """Many commands of one word each: as soon as its nine planes are there."""
    memories = Memories(CONFIGS["one group"], 0)
    rng = random.Random(0)
    shape = {"n_rows": 1, "n_words": 1, "use_table": 0, "use_residual": 0}
    bench = Bench(memories, [random_case(rng, memories, **shape) for _ in range(40)])
    bench.check()
    assert bench.written == list(range(bench.written[0], bench.written[0] + 11 * 40, 11))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"n_rows": 0}, isa.Status.ILLEGAL_FIELD),
        ({"n_rows": 17}, isa.Status.ILLEGAL_FIELD),
        ({"n_words": 0}, isa.Status.ILLEGAL_FIELD),
        ({"tile_words": 0}, isa.Status.ILLEGAL_FIELD),
        ({"tile_words": 2}, isa.Status.ILLEGAL_FIELD),
        ({"post_shift": 0}, isa.Status.ILLEGAL_FIELD),
        ({"post_shift": 33}, isa.Status.ILLEGAL_FIELD),
        ({"pre_shift": 16}, isa.Status.ILLEGAL_FIELD),
        ({"use_table": 1, "table": 2}, isa.Status.ILLEGAL_FIELD),
        ({"wide": 1}, isa.Status.ILLEGAL_FIELD),
        ({"lanes_before": CONFIGS["one group"].rows}, isa.Status.ILLEGAL_FIELD),
        ({"lanes_after": 31}, isa.Status.ILLEGAL_FIELD),
        ({"param": 7, "n_words": 2}, isa.Status.LOCAL_ADDRESS),
        ({"param": 65535, "n_words": 65535}, isa.Status.LOCAL_ADDRESS),
        ({"param": 8, "n_words": 1}, isa.Status.LOCAL_ADDRESS),
    ],
    ids=str,
)
def test_illegal_command_stops_the_unit(fields: dict[str, int], status: isa.Status) -> None:
    """The command before finishes, no other begins."""
    memories = Memories(CONFIGS["one group"].replace(post_words=8), 0)
    rng = random.Random(0)
    good = random_case(rng, memories, n_rows=2, n_words=2, use_table=0, low=-128, high=127)
    bench = Bench(memories, [good])
    bad = good.fields | {"use_residual": 1} | fields

    bench.bad = bad
    bench.check()
    assert bench.status == status
