"""The sequencer: instructions reach their units in order; programs that are wrong stop it."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel import isa
from vitaccel.compile.instruction import Instruction, encode
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import command_layout
from vitaccel.hw.shell.sequencer import Sequencer
from vitaccel.isa import Op, Status, Unit

BASE = 0x1000


def instruction(op: Op, rng: random.Random) -> tuple[bytes, dict[str, int]]:
    """Random legal fields."""
    fields = {
        name: rng.randrange(1 << width) if width > 0 else rng.randrange(-(1 << -width - 1), 0)
        for name, width in isa.FIELDS[op].items()
    }
    wait, signal = rng.randrange(32), rng.randrange(32)
    word = encode(Instruction(op, "test", fields=dict(fields), wait=wait, signal=signal))
    return word, fields | {"wait": wait, "signal": signal}


@dataclass
class Run:
    """Plays memory and queues."""

    program: list[bytes]
    axi_bytes: Any = 8
    hybrid: bool = False
    pause: float = 0.0
    length: int = -1
    limit: int = BASE + 0x10000
    fail_at: tuple[int, int] = (-1, 0)
    busy_until: int = 0  # cycle until which the units are active
    latency: int = 20
    taps: int = 1
    pushed: list[tuple[Unit, Any]] = field(default_factory=list)
    bursts: list[tuple[int, int]] = field(default_factory=list)
    fault: int = 0
    pc: int = 0
    cycles: int = 0

    def run(self, max_cycles: int = 5000) -> "Run":
        config = AcceleratorConfig(
            axi_bytes=self.axi_bytes, hybrid=self.hybrid, depthwise_taps=self.taps
        )
        self.dut = Sequencer(config)
        sim = Simulator(self.dut)
        sim.add_clock(CLOCK_PERIOD)
        sim.add_testbench(self.serve, background=True)
        for unit in self.dut.units:
            sim.add_testbench(self.queue(unit), background=True)

        async def watch(ctx: TestbenchContext) -> None:
            dut = self.dut
            ctx.set(dut.base, BASE)
            ctx.set(dut.limit, self.limit)
            ctx.set(dut.program_base, BASE)
            ctx.set(dut.program_length, len(self.program) if self.length < 0 else self.length)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            halted = 0
            while not (halted or self.fault):
                ctx.set(dut.active, self.cycles < self.busy_until)
                _, _, halted, self.fault, self.pc = await ctx.tick().sample(
                    dut.halted, dut.fault, dut.pc
                )
                self.cycles += 1
                assert self.cycles < max_cycles, f"{len(self.pushed)} pushed"

        sim.add_testbench(watch)
        sim.run()
        return self

    async def serve(self, ctx: TestbenchContext) -> None:
        """Take bursts; answer them in order without ever being held back."""
        rng = random.Random("memory")
        image = b"".join(self.program) + bytes(4096)
        burst, beat = self.dut.burst, self.dut.beat
        due: list[tuple[int, int, int]] = []
        now = n_beats = 0
        while True:
            offered = bool(due) and due[0][0] <= now and rng.random() >= self.pause
            if offered:
                _, value, last = due.pop(0)
                response = self.fail_at[1] if n_beats == self.fail_at[0] else 0
                n_beats += 1
                ctx.set(beat.payload, {"data": value, "response": response, "last": last})
            ctx.set(beat.valid, offered)
            willing = rng.random() >= self.pause
            ctx.set(burst.ready, willing)
            _, _, asked, request, taken = await ctx.tick().sample(
                burst.valid, burst.payload, beat.ready
            )
            assert taken or not offered, "asked for more than it has room for"
            now += 1
            if asked and willing:
                self.bursts.append((request.address, request.length))
                for n in range(request.length + 1):
                    at = request.address - BASE + n * self.axi_bytes
                    value = int.from_bytes(image[at : at + self.axi_bytes], "little")
                    due.append((now + self.latency, value, n == request.length))

    def queue(self, unit: Unit):
        async def take(ctx: TestbenchContext) -> None:
            port = getattr(self.dut, unit.name.lower())
            rng = random.Random(unit.name)
            while True:
                willing = rng.random() >= self.pause
                ctx.set(port.ready, willing)
                _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
                if valid and willing:
                    self.pushed.append((unit, payload))

        return take


HALT = encode(Instruction(Op.HALT, "test"))


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("axi_bytes", [4, 8, 16, 32])
def test_fields_reach_their_unit(axi_bytes: int, pause: float) -> None:
    rng = random.Random(axi_bytes)
    ops = [op for op in Op if op != Op.HALT] * 3
    rng.shuffle(ops)
    sent = [instruction(op, rng) for op in ops]
    hybrid = axi_bytes > 8
    run = Run([*(word for word, _ in sent), HALT, HALT], axi_bytes, hybrid, pause).run()
    assert not run.fault
    assert len(run.pushed) == len(sent)
    for n, (op, (_, fields), (unit, got)) in enumerate(zip(ops, sent, run.pushed, strict=True)):
        assert unit == isa.UNIT_OF[op]
        assert (got.pc, got.wait, got.signal) == (n, fields.pop("wait"), fields.pop("signal"))
        layout = command_layout(op, hybrid=hybrid)
        fields = {name: value for name, value in fields.items() if name in layout.members}
        if unit == Unit.VECTOR:
            assert got.fields.norm == (op == Op.NORM)
            bits = got.fields.fields & (1 << layout.size) - 1
        else:
            bits = got.fields.as_bits()
        assert layout.from_bits(bits).as_bits() == layout.const({**fields}).as_bits()


def test_rate() -> None:
    """Latency of the memory is hidden, apart from the first burst."""
    words = [instruction(Op.GEMM, random.Random(n))[0] for n in range(64)]
    cycles = Run([*words, HALT], latency=4).run().cycles
    assert cycles <= 65 * (32 // 8 + 3) + 30


def test_halt_waits_for_the_units() -> None:
    run = Run([HALT], busy_until=300).run()
    assert not run.fault
    assert run.cycles >= 300


GEMM = encode(Instruction(Op.GEMM, "test"))
DEPTHWISE = encode(Instruction(Op.DEPTHWISE, "test"))


@pytest.mark.parametrize(
    ("changes", "status", "pc"),
    [
        ({"program": [GEMM] * 3 + [bytes(32)]}, Status.ILLEGAL_OPCODE, 3),
        ({"program": [GEMM] * 3 + [b"\x09" + bytes(31), HALT]}, Status.ILLEGAL_OPCODE, 3),
        ({"program": [GEMM] * 3 + [DEPTHWISE, HALT], "taps": 0}, Status.ILLEGAL_OPCODE, 3),
        ({"program": [GEMM] * 3}, Status.ILLEGAL_OPCODE, 3),
        ({"program": [GEMM] * 8 + [HALT], "length": 8}, Status.ILLEGAL_OPCODE, 8),
        ({"program": [HALT], "length": 0}, Status.ILLEGAL_FIELD, 0),
        ({"program": [GEMM] * 8 + [HALT], "limit": BASE + 192}, Status.EXTERNAL_ADDRESS, 6),
        ({"program": [GEMM] * 8 + [HALT], "limit": BASE}, Status.EXTERNAL_ADDRESS, 0),
        ({"program": [GEMM] * 8 + [HALT], "fail_at": (21, 2)}, Status.READ_SLVERR, 5),
        ({"program": [GEMM] * 8 + [HALT], "fail_at": (3, 3)}, Status.READ_DECERR, 0),
    ],
)
@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
def test_stops(changes: dict, status: Status, pc: int, pause: float) -> None:
    run = Run(pause=pause, **changes).run()
    assert (run.fault, run.pc, len(run.pushed)) == (status, pc, pc)
    for address, length in run.bursts:
        assert BASE <= address
        assert address + 8 * (length + 1) <= run.limit
