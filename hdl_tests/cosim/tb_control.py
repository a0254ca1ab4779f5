"""Bench run inside Verilator by `test_control.py`: registers, runs, faults, recovery."""

import os
import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiResp

from hdl_tests.harness.bench import Dut
from hdl_tests.harness.host import MEMORY_BASE, MEMORY_BYTES, PROGRAM_BASE, Host, instruction
from hdl_tests.harness.shell_top import FAULTY, FOREVER
from vitaccel.config import AcceleratorConfig
from vitaccel.isa import Op, Space, Status, Unit
from vitaccel.registers import (
    IDENTITY,
    REGISTERS,
    SEQUENCER,
    VERSION,
    State,
    digest_word,
)

CONFIG = AcceleratorConfig.model_validate_json(os.environ["VITACCEL_CONFIG"])
DATA, RESULTS = MEMORY_BASE + 0x8000, MEMORY_BASE + 0x1_0000
HALT = instruction(Op.HALT)
N_WORDS = 200


def load(wait: int = 0, signal: int = 0, **changes: int) -> bytes:
    fields = {
        "external": DATA, "n_rows": 1, "n_words": N_WORDS, "space": Space.ACTIVATION,
    } | changes  # fmt: skip
    return instruction(Op.LOAD, wait, signal, **fields)


def store(wait: int = 0, signal: int = 0, **changes: int) -> bytes:
    fields = {"external": RESULTS, "n_rows": 1, "n_words": N_WORDS} | changes
    return instruction(Op.STORE, wait, signal, **fields)


ROUND_TRIP = [load(signal=1 << Unit.STORE), store(wait=1 << Unit.LOAD), HALT]


async def runs_well(host: Host) -> None:
    """A round trip through the activation memory with fresh bytes."""
    data = random.randbytes(N_WORDS * CONFIG.rows)
    host.ram.write(DATA, data)
    host.ram.write(RESULTS, bytes(len(data)))
    await host.run(ROUND_TRIP)
    assert host.ram.read(RESULTS, len(data)) == data
    assert not host.outside


async def fails(host: Host, program: list[bytes], code: Status, unit: int, pc: int) -> None:
    """The core stops with this status, interrupts, still answers, and recovers."""
    await host.launch(program)
    status = await host.finish()
    got = (status["state"], Status(status["code"]), status["unit"], status["pc"])
    assert got == (State.ERROR, code, unit, pc)
    assert await host.read("ID") == IDENTITY
    host.behave()
    await host.act("soft_reset")
    status = await host.status()
    assert (status["state"], status["code"]) == (State.IDLE, Status.OK)
    assert not host.dut.interrupt.value
    await runs_well(host)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def registers(dut: Dut) -> None:
    """Identity, resets, byte strobes, addresses without a register."""
    host = Host(dut)
    await host.begin()
    assert await host.read("ID") == IDENTITY
    assert await host.read("VERSION") == VERSION
    assert await host.read("CONFIG_DIGEST") == digest_word(CONFIG.digest())
    assert await host.read("WATCHDOG") == 1 << 20
    assert await host.read("CONTROL") == 0
    await host.write("PROGRAM_BASE", 0x1234_5678)
    await host.control.write(REGISTERS["PROGRAM_BASE"].offset + 1, b"\xab\xcd")
    assert await host.read("PROGRAM_BASE") == 0x12CD_AB78
    taken = {register.offset for register in REGISTERS.values()}
    for address in (0x1C, 0x54, 0x5C, 0x74, 0x100, 0x20 + 0x800, 0xFFC):
        assert address not in taken
        assert (await host.control.read(address, 4)).resp == AxiResp.SLVERR
        assert (await host.control.write(address, bytes(4))).resp == AxiResp.SLVERR
    for name, register in REGISTERS.items():
        assert (await host.control.read(register.offset, 4)).resp == AxiResp.OKAY
        if not register.writable:
            before = await host.read(name)
            assert (await host.control.write(register.offset, b"abcd")).resp == AxiResp.SLVERR
            assert await host.read(name) == before


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def run_and_counters(dut: Dut) -> None:
    """DONE, interrupt, its mask, cycle counters; a second start begins anew."""
    host = Host(dut)
    await host.begin()
    waits = instruction(Op.POST, wait=1 << Unit.MXU, n_rows=50)
    gemm = instruction(Op.GEMM, signal=1 << Unit.POST, n_rows=300)
    norm = instruction(Op.NORM, n_rows=70)
    softmax = instruction(Op.SOFTMAX, n_rows=30)
    for _ in range(2):
        await host.run([gemm, waits, norm, softmax, HALT])
        assert not dut.interrupt.value
        assert await host.read("BUSY_MXU") == 301
        assert await host.read("BUSY_POST") == 51
        assert await host.read("BUSY_VECTOR") == 102
        assert 290 < await host.read("WAITING_POST") < 310
        assert await host.read("WAITING_MXU") == 0
        assert 350 < await host.read("CYCLES") < 450
    await host.write("INTERRUPT_ENABLE", 0)
    await host.launch([HALT])
    await ClockCycles(dut.clk, 200)
    status = await host.status()
    assert (status["state"], status["interrupt"]) == (State.DONE, 1)
    assert not dut.interrupt.value
    await host.write("INTERRUPT_ENABLE", 1)
    await host.finish()
    await runs_well(host)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def start_while_running_is_ignored(dut: Dut) -> None:
    host = Host(dut)
    await host.begin()
    await host.launch([instruction(Op.GEMM, n_rows=400), HALT])
    await host.act("start")
    assert (await host.status())["state"] == State.RUNNING
    await host.finish()
    assert await host.read("BUSY_MXU") == 401
    assert await host.read("CYCLES") < 500


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def programs_that_are_wrong(dut: Dut) -> None:
    """Illegal opcode, no HALT, no program, a program outside the window."""
    host = Host(dut)
    await host.begin()
    noop = instruction(Op.GEMM, n_rows=1)
    for opcode in (0, 8, 15):
        bad = bytes([opcode]) + bytes(31)
        await fails(host, [noop] * 7 + [bad, HALT], Status.ILLEGAL_OPCODE, SEQUENCER, 7)
    await fails(host, [noop] * 5, Status.ILLEGAL_OPCODE, SEQUENCER, 5)
    await fails(host, [], Status.ILLEGAL_FIELD, SEQUENCER, 0)
    await host.write("MEMORY_BASE", PROGRAM_BASE + 64)
    await fails_before(host, Status.EXTERNAL_ADDRESS, 0)
    await host.write("MEMORY_BASE", MEMORY_BASE)
    await host.write("MEMORY_LIMIT", PROGRAM_BASE + 64)
    await fails_before(host, Status.EXTERNAL_ADDRESS, 2)
    await host.write("MEMORY_LIMIT", MEMORY_BASE + MEMORY_BYTES)
    await runs_well(host)


async def fails_before(host: Host, code: Status, pc: int) -> None:
    await host.launch([instruction(Op.GEMM, n_rows=1)] * 5 + [HALT])
    status = await host.finish()
    assert (status["code"], status["unit"], status["pc"]) == (code, SEQUENCER, pc)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def addresses_outside(dut: Dut) -> None:
    """LOAD and STORE past either end of the window, and past the activation memory."""
    host = Host(dut)
    await host.begin()
    end = MEMORY_BASE + MEMORY_BYTES
    last = end - N_WORDS * CONFIG.rows
    inside = last // 64 * 64
    for external in (MEMORY_BASE - 64, inside + 64, 0, 0xFFFF_FFC0):
        program = [load(), load(external=external), load(), HALT]
        await fails(host, program, Status.EXTERNAL_ADDRESS, Unit.LOAD, 1)
        program = [store(), store(external=external), store(), HALT]
        await fails(host, program, Status.EXTERNAL_ADDRESS, Unit.STORE, 1)
    await host.run([load(external=inside), store(external=inside), HALT])
    beyond = CONFIG.activation_words - N_WORDS + 1
    await fails(host, [load(), load(local=beyond), HALT], Status.LOCAL_ADDRESS, Unit.LOAD, 1)
    await fails(host, [store(), store(local=beyond), HALT], Status.LOCAL_ADDRESS, Unit.STORE, 1)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def error_responses(dut: Dut) -> None:
    """SLVERR and DECERR on data, program and results; the rest of the burst is still taken."""
    host = Host(dut)
    await host.begin()
    beats = -(-N_WORDS * CONFIG.rows // CONFIG.axi_bytes)
    for response, code in ((2, Status.READ_SLVERR), (3, Status.READ_DECERR)):
        # Several bursts of the program come first, and between the data.
        program = [load(), load(), load(), HALT]
        host.respond("r", beats + beats // 2 + 4 * 32 // CONFIG.axi_bytes, response)
        await fails(host, program, code, Unit.LOAD, 1)
        host.respond("r", 32 // CONFIG.axi_bytes, response)
        await fails(host, [instruction(Op.GEMM, n_rows=9)] * 3, code, SEQUENCER, 1)
    for response, code in ((2, Status.WRITE_SLVERR), (3, Status.WRITE_DECERR)):
        bursts = -(-N_WORDS * CONFIG.rows // (CONFIG.axi_bytes * CONFIG.burst_beats))
        for n in (bursts, 2 * bursts - 1):
            host.respond("b", n, response)
            await fails(host, [store(), store(), store(), HALT], code, Unit.STORE, 1)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def unit_faults(dut: Dut) -> None:
    host = Host(dut)
    await host.begin()
    for op, unit in ((Op.GEMM, Unit.MXU), (Op.POST, Unit.POST), (Op.SOFTMAX, Unit.VECTOR)):
        program = [
            instruction(op, n_rows=5), instruction(op, n_rows=FAULTY), load(), HALT,
        ]  # fmt: skip
        await fails(host, program, Status.ILLEGAL_FIELD, unit, 1)


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(channel=["r", "b", "ar", "aw", "w"])
async def memory_that_stops(dut: Dut, channel: str) -> None:
    """The watchdog bites; answers that come late, before or after a new start, do no harm."""
    host = Host(dut)
    await host.begin()
    await host.write("WATCHDOG", 2000)
    writes = channel in {"b", "aw", "w"}
    for restart_first in (False, True):
        await host.launch([store() if writes else load(), store(), store(), HALT])
        while not (dut.m_axi_awvalid.value if writes else await host.read("BUSY_LOAD")):
            await RisingEdge(dut.clk)
        await ClockCycles(dut.clk, 20)
        host.channels[channel].pause = True
        status = await host.finish()
        assert (status["state"], status["code"]) == (State.ERROR, Status.WATCHDOG)
        assert (status["unit"], status["pc"]) == (Unit.STORE if writes else Unit.LOAD, 0)
        assert status["draining"]
        await host.act("soft_reset")
        status = await host.status()
        assert (status["state"], status["draining"]) == (State.IDLE, 1)
        if restart_first:  # the run begins once the memory has answered
            task = cocotb.start_soon(runs_well(host))
            await ClockCycles(dut.clk, 500)
            assert (await host.status())["state"] == State.RUNNING
            assert await host.read("CYCLES") == 0
            host.channels[channel].pause = False
            await task
        else:
            host.channels[channel].pause = False
            await ClockCycles(dut.clk, 1000)
            assert not (await host.status())["draining"]
            await runs_well(host)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def unit_that_hangs(dut: Dut) -> None:
    """The watchdog names the unit; with 0 it is off."""
    host = Host(dut)
    await host.begin()
    await host.write("WATCHDOG", 1000)
    hang = instruction(Op.POST, n_rows=FOREVER)
    await fails(host, [load(), hang, HALT], Status.WATCHDOG, Unit.POST, 1)
    deadlock = store(wait=1 << Unit.MXU)
    await fails(host, [load(), deadlock, HALT], Status.WATCHDOG, Unit.STORE, 1)
    await host.write("WATCHDOG", 0)
    await host.launch([hang, HALT])
    await ClockCycles(dut.clk, 3000)
    assert (await host.status())["state"] == State.RUNNING
    await host.act("soft_reset")
    await runs_well(host)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def soft_reset_at_any_time(dut: Dut) -> None:
    """Bursts under way are completed; the next run is right, started at once."""
    host = Host(dut)
    await host.begin(pause=0.3)
    for cycles in range(5, 800, 79):
        await runs_well(host)
        data = host.ram.read(DATA, N_WORDS * CONFIG.rows)
        host.ram.write(RESULTS, bytes(byte ^ 255 for byte in data))
        await host.launch([load(), store(), load(), store(), HALT])
        await ClockCycles(dut.clk, cycles)
        await host.act("soft_reset")
        status = await host.status()
        assert status["state"] == State.IDLE
        while status["draining"]:
            status = await host.status()
        written = host.ram.read(RESULTS, len(data))
        for got, want in zip(written, data, strict=True):
            assert got in {want, want ^ 255}, "a byte that the program does not write"
        await runs_well(host)
