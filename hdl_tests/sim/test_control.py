"""Registers and supervisor, cycle by cycle; whole runs are in cosim/test_control.py."""

import random
from typing import Any

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import OKAY, SLVERR
from vitaccel.hw.shell.control import Control
from vitaccel.hw.shell.supervisor import Supervisor
from vitaccel.isa import Status, Unit
from vitaccel.registers import REGISTERS, SEQUENCER, State


async def write(
    ctx: TestbenchContext, dut: Control, rng: random.Random, at: int, word: int, strobe: int
) -> int:
    """Address and data in any order, response taken late."""
    ctx.set(dut.awaddr, at)
    ctx.set(dut.wdata, word)
    ctx.set(dut.wstrb, strobe)
    todo = {"aw", "w"}
    while todo:
        offered = {name for name in todo if rng.random() < 0.5}
        for name in ("aw", "w"):
            ctx.set(getattr(dut, f"{name}valid"), name in offered)
        while offered:
            _, _, *taken = await ctx.tick().sample(dut.awready, dut.wready)
            for name, ready in zip(("aw", "w"), taken, strict=True):
                if name in offered and ready:
                    ctx.set(getattr(dut, f"{name}valid"), 0)
                    offered.discard(name)
                    todo.discard(name)
        await ctx.tick()
    while rng.random() < 0.5:
        await ctx.tick()
    ctx.set(dut.bready, 1)
    (response,) = await ctx.tick().sample(dut.bresp).until(dut.bvalid)
    ctx.set(dut.bready, 0)
    return response


async def read(ctx: TestbenchContext, dut: Control, rng: random.Random, at: int) -> tuple[int, int]:
    ctx.set(dut.araddr, at)
    ctx.set(dut.arvalid, 1)
    await ctx.tick().until(dut.arready)
    ctx.set(dut.arvalid, 0)
    while rng.random() < 0.5:
        await ctx.tick()
    ctx.set(dut.rready, 1)
    word, response = await ctx.tick().sample(dut.rdata, dut.rresp).until(dut.rvalid)
    ctx.set(dut.rready, 0)
    return word, response


def simulate(dut: Control | Supervisor, bench: Any) -> None:

    async def guard(ctx: TestbenchContext) -> None:
        await ctx.delay(20_000 * CLOCK_PERIOD)
        raise AssertionError("no end")

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(bench)
    sim.add_testbench(guard, background=True)
    sim.run()


@pytest.mark.parametrize("seed", range(2))
def test_every_address(seed: int) -> None:
    """Random writes with random strobes, against a dictionary of the map."""
    dut = Control(AcceleratorConfig())
    rng = random.Random(seed)
    by_offset = {register.offset: (name, register) for name, register in REGISTERS.items()}

    async def bench(ctx: TestbenchContext) -> None:
        values = dict(dut.constants)
        for name, register in REGISTERS.items():
            if name in values:
                continue
            values[name] = register.init if register.writable else rng.getrandbits(32)
            if not register.writable:
                ctx.set(getattr(dut, name.lower()), values[name])
        for _ in range(150):
            at = rng.choice([*by_offset] * 2 + [0x1C, 0x54, 0x7C, 0x80, 0x80C, 0xFFC])
            name, register = by_offset.get(at, ("", None))
            if rng.random() < 0.5:
                word, strobe = rng.getrandbits(32), rng.randrange(16)
                response = await write(ctx, dut, rng, at, word, strobe)
                assert response == (OKAY if register and register.writable else SLVERR)
                if register and register.writable and name != "CONTROL":
                    mask = sum(255 << 8 * n for n in range(4) if strobe >> n & 1)
                    values[name] = values[name] & ~mask | word & mask
                    assert ctx.get(getattr(dut, name.lower())) == values[name]
            else:
                want = (values[name], OKAY) if register else (0, SLVERR)
                assert await read(ctx, dut, rng, at) == want

    simulate(dut, bench)


def test_control_pulses_for_one_cycle() -> None:
    dut = Control(AcceleratorConfig())

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.awaddr, REGISTERS["CONTROL"].offset)
        ctx.set(dut.wdata, 0b101)
        ctx.set(dut.wstrb, 1)
        ctx.set(dut.awvalid, 1)
        ctx.set(dut.wvalid, 1)
        await ctx.tick()
        ctx.set(dut.awvalid, 0)
        ctx.set(dut.wvalid, 0)
        seen = []
        for _ in range(5):
            _, _, pulses = await ctx.tick().sample(dut.control)
            seen.append(pulses.as_bits())
        assert seen == [0, 0b101, 0, 0, 0]

    simulate(dut, bench)


async def launch(ctx: TestbenchContext, dut: Supervisor) -> int:
    """Start a run; return the cycles of reset."""
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    reset = 0
    for _ in range(50):
        if ctx.get(dut.launch):
            break
        _, _, in_reset = await ctx.tick().sample(dut.unit_reset)
        reset += in_reset
    assert ctx.get(dut.running)
    return reset


def test_a_run_begins_after_reset_with_idle_engines() -> None:
    dut = Supervisor()

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.idle, 1)
        assert await launch(ctx, dut) == Supervisor.RESET_CYCLES
        ctx.set(dut.soft_reset, 1)
        ctx.set(dut.idle, 0)
        await ctx.tick()
        ctx.set(dut.soft_reset, 0)
        assert ctx.get(dut.status.state) == State.IDLE
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in range(100):
            await ctx.tick()
            assert ctx.get(dut.status.state) == State.RUNNING
            assert not ctx.get(dut.running)
        ctx.set(dut.idle, 1)
        await ctx.tick()
        assert ctx.get(dut.launch)

    simulate(dut, bench)


@pytest.mark.parametrize("cycles", [1, 2, 50])
def test_watchdog_counts_cycles_without_progress(cycles: int) -> None:
    """It bites that long after the last sign of life, and blames the first active unit."""
    dut = Supervisor()

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.idle, 1)
        ctx.set(dut.watchdog, cycles)
        ctx.set(dut.active, 0b11000)
        ctx.set(dut.pcs[Unit.POST], 77)
        ctx.set(dut.progress, 1)
        await launch(ctx, dut)
        await ctx.tick().repeat(100)
        ctx.set(dut.progress, 0)
        for _ in range(cycles + 1):
            assert ctx.get(dut.status.state) == State.RUNNING
            await ctx.tick()
        assert ctx.get(dut.status.state) == State.ERROR
        assert ctx.get(dut.interrupt)
        assert ctx.get(dut.status.code) == Status.WATCHDOG
        await ctx.tick()
        assert (ctx.get(dut.status.unit), ctx.get(dut.pc)) == (Unit.POST, 77)

    simulate(dut, bench)


@pytest.mark.parametrize("source", range(len(Unit) + 1))
def test_first_fault_is_kept(source: int) -> None:
    dut = Supervisor()

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.idle, 1)
        ctx.set(dut.progress, 1)
        await launch(ctx, dut)
        for n in range(len(Unit) + 1):
            ctx.set(dut.pcs[n], 100 + n)
        for n in range(source, len(Unit) + 1):  # several at once: the lowest is named
            ctx.set(dut.faults[n], Status.ILLEGAL_FIELD + n)
        await ctx.tick().repeat(2)
        ctx.set(dut.faults[0], Status.READ_DECERR)
        await ctx.tick().repeat(5)
        assert not ctx.get(dut.running)
        assert ctx.get(dut.status.state) == State.ERROR
        assert ctx.get(dut.status.code) == Status.ILLEGAL_FIELD + source
        want = source if source < len(Unit) else SEQUENCER
        assert (ctx.get(dut.status.unit), ctx.get(dut.pc)) == (want, 100 + source)
        ctx.set(dut.clear_interrupt, 1)
        await ctx.tick()
        assert not ctx.get(dut.interrupt)
        assert ctx.get(dut.status.state) == State.ERROR

    simulate(dut, bench)
