"""`hw.depthwise.depthwise`: commands over a memory, against golden's convolution."""

import random
from typing import Any

import pytest
import torch
from amaranth.sim import Simulator

from hdl_tests.harness.depthwise_cases import REGION, DepthwiseCase, random_case, table_writes
from hdl_tests.harness.pysim import CLOCK_PERIOD
from hdl_tests.harness.vector_rows import write_all
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.depthwise.depthwise import Depthwise
from vitaccel.isa import Status
from vitaccel.windows import walk_cycles

_SMALL = AcceleratorConfig(
    rows=2, columns=2, depthwise_width=16, depthwise_steps=128, depthwise_words=8
)
CONFIGS = {
    "one tap": _SMALL.replace(depthwise_taps=1),
    "two taps, 8 bits": _SMALL.replace(depthwise_taps=2, depthwise_bits=8),
    "three taps, two parts": _SMALL.replace(
        rows=4, columns=4, depthwise_taps=3, depthwise_cycles=2, table_slots=3
    ),
    "three taps, three parts": _SMALL.replace(
        rows=6, columns=6, depthwise_taps=3, depthwise_cycles=3, depthwise_products="luts"
    ),
    "five taps, 8 bits": _SMALL.replace(
        depthwise_taps=5, depthwise_bits=8, depthwise_products="blocks", table_slots=1
    ),
    "shift": _SMALL.replace(rows=3, columns=3, depthwise_taps=4, requant="shift"),
}
DEPTH = 4 * REGION
FIRST_WORD = 8  # cycles until the memory has answered, and those of `done`


class Bench:
    """Commands from one side, a memory that answers on the other; notes when things happened."""

    def __init__(
        self, config: AcceleratorConfig, memory: list[list[int]], pause: float, rest: float
    ) -> None:
        self.dut = Depthwise(config)
        self.rest = rest  # share of the cycles in which nothing is written
        self.memory = memory
        self.pause = pause
        self.cycle = 0
        self.taken: list[int] = []
        self.done: list[int] = []
        self.requests: list[int] = []
        self.writes: list[int] = []
        self.fault = Status.OK

    async def command(self, ctx: Any, cases: list[DepthwiseCase], tables: list | None) -> None:
        """Run cases one after the other; without ``tables`` whatever the memories hold."""
        rng = random.Random("command")
        await write_all(ctx, self.dut.table, tables or [])
        for case in cases:
            if tables is not None:
                await write_all(ctx, self.dut.weight, case.weight_writes())
                await write_all(ctx, self.dut.param, case.param_writes())
            while rng.random() < self.pause:
                await ctx.tick()
            ctx.set(self.dut.command.payload, case.fields)
            ctx.set(self.dut.command.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(self.dut.command.ready)
            self.taken.append(self.cycle)
            ctx.set(self.dut.command.valid, 0)
            while len(self.done) < len(self.taken) and self.fault == Status.OK:
                await ctx.tick()

    async def serve(self, ctx: Any, rng: random.Random, under_way: list[list[int]]) -> None:
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

    async def observe(self, ctx: Any) -> None:
        """Check `done`, `busy` and `fault` in every cycle; runs before the others note theirs."""
        while True:
            _, _, done, busy, fault = await ctx.tick().sample(
                self.dut.done, self.dut.busy, self.dut.fault
            )
            if done:
                assert 1 <= self.cycle - self.writes[-1] <= 3
                self.done.append(self.cycle)
            assert busy == (len(self.taken) > len(self.done))
            assert Status(fault) == self.fault or self.fault == Status.OK
            self.fault = Status(fault)


def run(
    memory: list[list[int]],
    cases: list[DepthwiseCase],
    *,
    loaded: bool = True,
    pause: float = 0.0,
    rest: float | None = None,
    seed: int = 0,
    max_cycles: int = 30000,
) -> Bench:
    """Run the commands on ``memory`` until all are done, or for a while after a fault."""
    config = cases[0].config
    bench = Bench(config, memory, pause, pause if rest is None else rest)

    async def command(ctx: Any) -> None:
        tables = table_writes(random_tables(config), config.rows) if loaded else None
        await bench.command(ctx, cases, tables)

    async def world(ctx: Any) -> None:
        rng = random.Random(seed)
        under_way: list[list[int]] = []
        after = 0
        while len(bench.done) < len(cases) and after < 200:
            await bench.serve(ctx, rng, under_way)
            bench.cycle += 1
            after += bench.fault != Status.OK
            assert bench.cycle < max_cycles, vars(bench)

    sim = Simulator(bench.dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(bench.observe, background=True)
    sim.add_testbench(command, background=True)
    sim.add_testbench(world)
    sim.run()
    return bench


def random_memory(config: AcceleratorConfig, seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(256) for _ in range(config.rows)] for _ in range(DEPTH)]


def random_tables(config: AcceleratorConfig) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(-128, 128, (config.table_slots, 256), generator=draw)


def check(cases: list[DepthwiseCase], **settings: Any) -> Bench:
    """Run cases side by side in a memory of which nothing else may change."""
    config = cases[0].config
    memory, tables = random_memory(config, 0), random_tables(config)
    for case in cases:
        case.fill(memory)
    want = [list(word) for word in memory]
    for case in cases:
        case.expect(want, tables)
    bench = run(memory, cases, **settings)
    for address, (got, word) in enumerate(zip(memory, want, strict=True)):
        assert got == word, f"word {address} of {cases[min(address // REGION, len(cases))].fields}"
    return bench


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_commands_match_golden(config: AcceleratorConfig) -> None:
    shapes = [(kernel, stride) for kernel in (3, 5) for stride in (1, 2)]
    cases = [
        random_case(config, n, n * REGION, kernel=kernel, stride=stride)
        for n, (kernel, stride) in enumerate(shapes)
    ]
    bench = check(cases)
    for case, taken, done in zip(cases, bench.taken, bench.done, strict=True):
        least = Depthwise.START + walk_cycles(config, case.fields)
        assert least <= done - taken < least + bench.dut.latency + FIRST_WORD


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["two taps, 8 bits", "three taps, two parts"])
def test_pauses_on_both_sides(name: str, seed: int) -> None:
    check([random_case(CONFIGS[name], 10 * seed + n, n * REGION) for n in range(2)], pause=0.5)


def test_results_wait_for_a_slow_memory() -> None:
    """Windows come much faster than they are written: none is begun that has no place."""
    size = {"height": 5, "width": 6, "above": 1, "below": 1, "side": 1, "n_words": 2}
    case = random_case(CONFIGS["three taps, two parts"], 1, kernel=3, stride=1, **size)
    check([case], rest=0.93)


REFUSED = {
    "no rows": ({"height": 0}, Status.ILLEGAL_FIELD),
    "no pixels": ({"width": 0}, Status.ILLEGAL_FIELD),
    "no channels": ({"n_words": 0}, Status.ILLEGAL_FIELD),
    "kernel": ({"kernel": 4}, Status.ILLEGAL_FIELD),
    "stride": ({"stride": 3}, Status.ILLEGAL_FIELD),
    "stride 0": ({"stride": 0}, Status.ILLEGAL_FIELD),
    "too wide": ({"width": 15}, Status.ILLEGAL_FIELD),
    "too narrow": ({"width": 2, "side": 0}, Status.ILLEGAL_FIELD),
    "too low": ({"height": 1, "below": 0}, Status.ILLEGAL_FIELD),
    "pre_shift": ({"pre_shift": 16}, Status.ILLEGAL_FIELD),
    "post_shift 0": ({"post_shift": 0}, Status.ILLEGAL_FIELD),
    "post_shift 33": ({"post_shift": 33}, Status.ILLEGAL_FIELD),
    "table": ({"use_table": 1, "table": 2}, Status.ILLEGAL_FIELD),
    "weights": ({"weights": 128 - 8}, Status.LOCAL_ADDRESS),
    "far weights": ({"weights": 0xFFFF}, Status.LOCAL_ADDRESS),
    "param": ({"param": 8}, Status.LOCAL_ADDRESS),
}
ACCEPTED = {
    "widest": {"width": 14},
    "last weights": {"weights": 128 - 9},
    "last param": {"param": 7},
    "no table": {"use_table": 0, "table": 2},
}
CORNER = {
    "kernel": 3, "stride": 1, "side": 1, "above": 1, "below": 1, "height": 1, "width": 3,
    "n_words": 1, "use_table": 0,
}  # fmt: skip


@pytest.mark.parametrize(("changes", "status"), REFUSED.values(), ids=REFUSED)
def test_refuses(changes: dict[str, int], status: Status) -> None:
    """A refused command touches nothing and is not done; later ones are not taken."""
    case = random_case(CONFIGS["one tap"], 0, **CORNER)
    case.fields |= changes
    bench = run(random_memory(case.config, 0), [case, case], loaded=False)
    assert bench.fault == status
    assert len(bench.taken) == 1
    assert not bench.requests
    assert not bench.writes


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_does_not_refuse_the_last_legal_value(changes: dict[str, int]) -> None:
    case = random_case(CONFIGS["one tap"], 0, **CORNER)
    case.fields |= changes
    bench = run(random_memory(case.config, 0), [case], loaded=False)
    assert bench.fault == Status.OK
    assert len(bench.done) == 1
