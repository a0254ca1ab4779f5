"""STORE: exactly the bytes of the rows arrive, in bursts that stay inside their blocks."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.shell.store import Store
from vitaccel.isa import Status

Command = dict[str, int]
BASE, SIZE = 0x1000, 1 << 15
WORDS = 256


def shape(rows: int, axi_bytes: Any, burst_beats: int = 32) -> AcceleratorConfig:
    return AcceleratorConfig(
        rows=rows,
        columns=rows,
        axi_bytes=axi_bytes,
        activation_words=WORDS,
        burst_beats=burst_beats,
    )


def word(config: AcceleratorConfig, address: int) -> bytes:
    return random.Random(address).randbytes(config.rows)


@dataclass
class Run:
    """Plays commands, activation memory and bus; records what the hardware does."""

    config: AcceleratorConfig
    commands: list[Command]
    pause: float = 0.0
    seed: int = 0
    latency: int = 5
    fail_at: tuple[int, int] = (-1, 0)  # burst, response
    memory: dict[int, int] = field(default_factory=dict)
    bursts: list[tuple[int, int]] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    n_done: int = 0
    fault: int = 0
    cycles: int = 0

    def run(self, max_cycles: int = 6000) -> "Run":
        self.dut = Store(self.config)
        self.beats: list[tuple[int, int]] = []
        self.asked: list[tuple[int, int, int]] = []
        sim = Simulator(self.dut)
        sim.add_clock(CLOCK_PERIOD)
        for part in (self.give_commands, self.read, self.take_bursts, self.take_beats, self.answer):
            sim.add_testbench(part, background=True)

        async def watch(ctx: TestbenchContext) -> None:
            ctx.set(self.dut.base, BASE)
            ctx.set(self.dut.limit, BASE + SIZE)
            while self.n_done < len(self.commands) and not self.fault:
                _, _, done, self.fault = await ctx.tick().sample(self.dut.done, self.dut.fault)
                self.cycles += 1
                self.n_done += done
                assert self.cycles < max_cycles, f"{self.n_done} commands done"
            await ctx.tick().repeat(20)

        sim.add_testbench(watch)
        sim.run()
        return self

    async def give_commands(self, ctx: TestbenchContext) -> None:
        port = self.dut.command
        for command in self.commands:
            ctx.set(port.payload, command)
            ctx.set(port.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(port.ready)
            ctx.set(port.valid, 0)

    async def read(self, ctx: TestbenchContext) -> None:
        """Activation memory with three cycles of latency."""
        rng = random.Random(f"read {self.seed}")
        port = self.dut.source
        line: list[int | None] = [None] * 2
        while True:
            willing = rng.random() >= self.pause
            ctx.set(port.request.ready, willing)
            _, _, valid, address = await ctx.tick().sample(port.request.valid, port.request.payload)
            line.append(address if valid and willing else None)
            if line[-1] is not None:
                self.reads.append(address)
            old = line.pop(0)
            ctx.set(port.valid, old is not None)
            ctx.set(port.data, list(word(self.config, old or 0)))

    async def take_bursts(self, ctx: TestbenchContext) -> None:
        rng = random.Random(f"bursts {self.seed}")
        port = self.dut.burst
        while True:
            willing = rng.random() >= self.pause and len(self.asked) < 4
            ctx.set(port.ready, willing)
            _, _, valid, burst = await ctx.tick().sample(port.valid, port.payload)
            if valid and willing:
                self.asked.append((burst.address, burst.length, burst.last))
                self.bursts.append((burst.address, burst.length))

    async def take_beats(self, ctx: TestbenchContext) -> None:
        rng = random.Random(f"beats {self.seed}")
        port = self.dut.beat
        while True:
            willing = rng.random() >= self.pause
            ctx.set(port.ready, willing)
            _, _, valid, beat = await ctx.tick().sample(port.valid, port.payload)
            if valid and willing:
                self.beats.append((beat.data, beat.strobe))

    async def answer(self, ctx: TestbenchContext) -> None:
        n_answered = 0
        while True:
            if self.asked and len(self.beats) > self.asked[0][1]:
                address, length, last = self.asked.pop(0)
                for n in range(length + 1):
                    data, strobe = self.beats.pop(0)
                    for lane in range(self.config.axi_bytes):
                        if strobe >> lane & 1:
                            at = address + n * self.config.axi_bytes + lane
                            assert at not in self.memory, "written twice"
                            self.memory[at] = data >> 8 * lane & 255
                await ctx.tick().repeat(self.latency)
                ctx.set(self.dut.answered, 1)
                ctx.set(self.dut.written, last)
                failed = n_answered == self.fail_at[0]
                ctx.set(self.dut.response, self.fail_at[1] if failed else 0)
                n_answered += 1
            await ctx.tick()
            ctx.set(self.dut.answered, 0)
            ctx.set(self.dut.written, 0)


def expected(config: AcceleratorConfig, commands: list[Command]) -> dict[int, int]:
    found = {}
    for command in commands:
        for row in range(command["n_rows"]):
            start = command["external"] + row * command["external_stride"]
            local = command["local"] + row * command["local_stride"]
            data = b"".join(word(config, local + n) for n in range(command["n_words"]))
            found |= {start + n: byte for n, byte in enumerate(data)}
    return found


def random_commands(config: AcceleratorConfig, count: int, seed: int) -> list[Command]:
    rng = random.Random(f"store {seed}")
    commands, start = [], BASE
    for _ in range(count):
        n_rows, n_words = rng.randint(1, 4), rng.randint(1, 12)
        stride = -(-n_words * config.rows // config.axi_bytes) * config.axi_bytes
        stride += config.axi_bytes * rng.randrange(3)
        commands.append({
            "external": start,
            "external_stride": stride,
            "local": rng.randrange(WORDS - 48),
            "local_stride": rng.randint(n_words, 12),
            "n_rows": n_rows,
            "n_words": n_words,
        })
        start += n_rows * stride
    return commands


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("axi_bytes", [4, 8, 16])
@pytest.mark.parametrize("rows", [3, 4, 8, 12])
def test_rows_arrive(rows: int, axi_bytes: int, pause: float) -> None:
    config = shape(rows, axi_bytes, burst_beats=8)
    commands = random_commands(config, 8, seed=rows * axi_bytes)
    run = Run(config, commands, pause=pause, seed=rows).run()
    assert run.fault == Status.OK
    assert run.memory == expected(config, commands)
    block = 8 * axi_bytes
    for address, length in run.bursts:
        assert address // block == (address + length * axi_bytes) // block, "leaves its block"


def one(**changes: int) -> Command:
    return {
        "external": BASE, "external_stride": 512, "local": 3, "local_stride": 40, "n_rows": 2,
        "n_words": 40,
    } | changes  # fmt: skip


def test_bus_is_busy_in_every_cycle() -> None:
    run = Run(shape(8, 8), [one(n_words=32, n_rows=3, external_stride=256)], latency=1).run()
    assert run.cycles <= 96 + 24


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"n_words": 0}, Status.ILLEGAL_FIELD),
        ({"n_rows": 0}, Status.ILLEGAL_FIELD),
        ({"external": BASE + 4}, Status.ILLEGAL_FIELD),
        ({"external": BASE - 8}, Status.EXTERNAL_ADDRESS),
        ({"external": BASE + SIZE - 512 - 312}, Status.EXTERNAL_ADDRESS),
        ({"local": WORDS - 79}, Status.LOCAL_ADDRESS),
        ({"local_stride": 0xFFFF}, Status.LOCAL_ADDRESS),
    ],
)
def test_refuses(changes: dict[str, int], status: Status) -> None:
    """The command before finishes, the ones after it do not; nothing illegal is touched."""
    run = Run(shape(8, 8), [one(), one(external=0x2000) | changes, one(), one()], pause=0.5).run()
    assert run.fault == status
    assert run.n_done == 1
    assert all(address < WORDS for address in run.reads)
    assert all(BASE <= at < BASE + SIZE for at in run.memory)


@pytest.mark.parametrize("changes", [{"external": BASE + SIZE - 512 - 320}, {"local": WORDS - 80}])
def test_last_legal_address(changes: dict[str, int]) -> None:
    assert Run(shape(8, 8), [one(**changes)]).run().fault == Status.OK


@pytest.mark.parametrize(
    ("response", "status"), [(2, Status.WRITE_SLVERR), (3, Status.WRITE_DECERR)]
)
def test_error_response(response: int, status: Status) -> None:
    """Bursts 4 to 7 belong to the second command, which is not done then."""
    commands = [one(external=BASE + 0x1000 * n) for n in range(3)]
    for burst in (4, 7):
        run = Run(shape(8, 8), commands, fail_at=(burst, response)).run()
        assert run.fault == status
        assert run.n_done == 1
