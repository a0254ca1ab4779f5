"""LOAD: every byte of every row at its place, whatever the sizes of words and beats."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.bursts import Bursts
from vitaccel.hw.shell.load import Load
from vitaccel.hw.shell.spaces import depths
from vitaccel.isa import Space, Status

Command = dict[str, int]
Write = tuple[Space, int, int]
BYTES = bytes(random.Random("memory").randrange(256) for _ in range(1 << 16))
BASE = 0x4000_0000


def shape(
    rows: int, axi_bytes: Any, burst_beats: int = 32, depthwise_taps: int = 0
) -> AcceleratorConfig:
    return AcceleratorConfig(
        rows=rows, columns=rows, axi_bytes=axi_bytes, activation_words=256, weight_words=128,
        post_words=4, vector_words=16, burst_beats=burst_beats, depthwise_taps=depthwise_taps,
    )  # fmt: skip


@dataclass
class Run:
    """Plays commands, memory and on-chip ports; records what the hardware does."""

    config: AcceleratorConfig
    commands: list[Command]
    pause: float = 0.0
    seed: int = 0
    latency: int = 5
    fail_at: tuple[int, int] = (-1, 0)  # beat, response
    limit: int = BASE + len(BYTES)
    writes: list[Write] = field(default_factory=list)
    bursts: list[tuple[int, int]] = field(default_factory=list)
    done_at: list[int] = field(default_factory=list)  # writes before each command was done
    fault: int = 0
    cycles: int = 0

    def run(self, max_cycles: int = 20_000) -> "Run":
        self.dut = Load(self.config)
        sim = Simulator(self.dut)
        sim.add_clock(CLOCK_PERIOD)
        for part in (self.give_commands, self.serve, *map(self.sink, depths(self.config))):
            sim.add_testbench(part, background=True)

        async def watch(ctx: TestbenchContext) -> None:
            ctx.set(self.dut.base, BASE)
            ctx.set(self.dut.limit, self.limit)
            before = 0  # writes until the former cycle
            while len(self.done_at) < len(self.commands) and not self.fault:
                _, _, done, self.fault = await ctx.tick().sample(self.dut.done, self.dut.fault)
                self.cycles += 1
                if done:
                    self.done_at.append(before)
                before = len(self.writes)
                assert self.cycles < max_cycles, f"{len(self.writes)} writes, {self.done_at}"
            await ctx.tick().repeat(20)

        sim.add_testbench(watch)
        sim.run()
        return self

    async def give_commands(self, ctx: TestbenchContext) -> None:
        port = self.dut.command
        rng = random.Random(f"commands {self.seed}")
        for command in self.commands:
            while rng.random() < self.pause:
                await ctx.tick()
            ctx.set(port.payload, command)
            ctx.set(port.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(port.ready)
            ctx.set(port.valid, 0)

    async def serve(self, ctx: TestbenchContext) -> None:
        """Take bursts and answer them, `latency` cycles later, a beat per cycle at best."""
        rng = random.Random(f"memory {self.seed}")
        size = self.config.axi_bytes
        burst, beat = self.dut.burst, self.dut.beat
        due: list[tuple[int, int, int, int]] = []  # cycle, data, response, last
        now = n_beats = 0
        while True:
            offered = bool(due) and due[0][0] <= now and rng.random() >= self.pause
            if offered:
                _, value, response, last = due[0]
                ctx.set(beat.payload, {"data": value, "response": response, "last": last})
            ctx.set(beat.valid, offered)
            waiting = offered
            while True:
                willing = rng.random() >= self.pause and len(due) < 128
                ctx.set(burst.ready, willing)
                _, _, asked, request, taken = await ctx.tick().sample(
                    burst.valid, burst.payload, beat.ready
                )
                now += 1
                if asked and willing:
                    self.bursts.append((request.address, request.length))
                    for n in range(request.length + 1):
                        at = request.address - BASE + n * size
                        value = int.from_bytes(BYTES[at : at + size], "little")
                        response = self.fail_at[1] if n_beats == self.fail_at[0] else 0
                        n_beats += 1
                        due.append((now + self.latency, value, response, n == request.length))
                waiting = waiting and not taken
                if not waiting:
                    break
            if offered:
                due.pop(0)

    def sink(self, space: Space):
        async def take(ctx: TestbenchContext) -> None:
            port = getattr(self.dut, space.name.lower())
            rng = random.Random(f"{space} {self.seed}")
            while True:
                willing = rng.random() >= self.pause
                ctx.set(port.ready, willing)
                _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
                if valid and willing:
                    word = payload.data.as_bits()
                    self.writes.append((space, payload.address, word))

        return take


def expected(config: AcceleratorConfig, command: Command) -> list[Write]:
    size = config.rows
    found = []
    for row in range(command["n_rows"]):
        start = command["external"] - BASE + row * command["external_stride"]
        for word in range(command["n_words"]):
            at = start + word * size
            address = command["local"] + row * command["local_stride"] + word
            value = int.from_bytes(BYTES[at : at + size], "little")
            found.append((Space(command["space"]), address, value))
    return found


def random_commands(config: AcceleratorConfig, count: int, seed: int) -> list[Command]:
    rng = random.Random(f"load {seed}")
    commands = []
    for _ in range(count):
        space = rng.choice(list(depths(config)))
        n_rows, n_words = rng.randint(1, 4), rng.randint(1, 12)
        stride = -(-n_words * config.rows // 64) * 64 + 64 * rng.randrange(3)
        commands.append({
            "external": BASE + config.axi_bytes * rng.randrange(2000),
            "external_stride": stride,
            "local": rng.randrange(depths(config)[space] - 48),
            "local_stride": rng.randint(n_words, 12) if n_rows > 1 else rng.randrange(1 << 16),
            "n_rows": n_rows,
            "n_words": n_words,
            "space": space,
        })
    return commands


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("axi_bytes", [4, 8, 16])
@pytest.mark.parametrize("rows", [3, 4, 8, 12])
def test_rows_land_in_their_space(rows: int, axi_bytes: int, pause: float) -> None:
    config = shape(rows, axi_bytes, burst_beats=8, depthwise_taps=rows % 2)
    commands = random_commands(config, 8, seed=rows * axi_bytes)
    run = Run(config, commands, pause=pause, seed=rows).run()
    assert run.fault == Status.OK
    totals = []
    for command in commands:
        totals.append((totals[-1] if totals else 0) + command["n_rows"] * command["n_words"])
    assert run.writes == [write for command in commands for write in expected(config, command)]
    assert run.done_at == totals
    block = 8 * axi_bytes
    for address, length in run.bursts:
        assert address // block == (address + length * axi_bytes) // block, "leaves its block"


def one(config: AcceleratorConfig, **changes: int) -> Command:
    return {
        "external": BASE, "external_stride": 512, "local": 3, "local_stride": 40, "n_rows": 2,
        "n_words": 40, "space": Space.ACTIVATION,
    } | changes  # fmt: skip


@pytest.mark.parametrize("latency", [1, 30])
def test_bus_is_busy_in_every_cycle(latency: int) -> None:
    """Rows of 32 words, long bursts: a word per cycle after the latency, also across commands."""
    config = shape(8, 8)
    command = one(config, n_words=32, n_rows=3, external_stride=256)
    run = Run(config, [command] * 4, latency=latency).run()
    assert run.cycles <= 4 * 96 + latency + Bursts.LATENCY + Load.LATENCY + 6


@pytest.mark.parametrize(
    ("changes", "status", "done"),
    [
        ({"n_words": 0}, Status.ILLEGAL_FIELD, 1),
        ({"n_rows": 0}, Status.ILLEGAL_FIELD, 1),
        ({"external": BASE + 4}, Status.ILLEGAL_FIELD, 1),
        ({"external_stride": 516}, Status.ILLEGAL_FIELD, 1),
        ({"space": 6}, Status.ILLEGAL_FIELD, 1),
        ({"external": BASE - 8}, Status.EXTERNAL_ADDRESS, 1),
        ({"external": BASE + len(BYTES) - 512 - 319}, Status.ILLEGAL_FIELD, 1),
        ({"external": BASE + len(BYTES) - 512 - 312}, Status.EXTERNAL_ADDRESS, 1),
        ({"external": 0xFFFF_FFF8, "n_rows": 1, "n_words": 2}, Status.EXTERNAL_ADDRESS, 1),
        ({"local": 177}, Status.LOCAL_ADDRESS, 1),
        ({"local": 0xF_FFFF}, Status.LOCAL_ADDRESS, 1),
        ({"local_stride": 0xFFFF}, Status.LOCAL_ADDRESS, 1),
        ({"space": Space.POST_PARAM}, Status.LOCAL_ADDRESS, 1),
    ],
)
@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
def test_refuses(changes: dict[str, int], status: Status, done: int, pause: float) -> None:
    config = shape(8, 8)
    good = one(config)
    run = Run(config, [good, one(config, **changes), good], pause=pause).run()
    assert run.fault == status
    assert len(run.done_at) == done, "the commands before it finish, later ones do not"
    assert all(address < depths(config)[space] for space, address, _ in run.writes)
    for address, length in run.bursts:
        assert BASE <= address
        assert address + 8 * (length + 1) <= BASE + len(BYTES)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"external": BASE + len(BYTES) - 512 - 320}, False),
        ({"local": 256 - 80}, False),
        ({"local": 256 - 79}, True),
    ],
)
def test_last_legal_address(changes: dict[str, int], refused: bool) -> None:
    config = shape(8, 8)
    assert bool(Run(config, [one(config, **changes)]).run().fault) is refused


@pytest.mark.parametrize("pause", [0.0, 0.8], ids=["free", "paused"])
@pytest.mark.parametrize("beat", [80, 100])
@pytest.mark.parametrize(("response", "status"), [(2, Status.READ_SLVERR), (3, Status.READ_DECERR)])
def test_error_response(response: int, status: Status, beat: int, pause: float) -> None:
    """Words before the failed beat are written, nothing after it; the command before it is done."""
    config = shape(8, 8)
    run = Run(config, [one(config)] * 3, pause=pause, fail_at=(beat, response)).run()
    assert run.fault == status
    assert run.done_at == [80]
    assert len(run.writes) == beat
