"""A host with memory for benches: registers, programs, and a bus that can be disturbed."""

import itertools
import logging
import random
import warnings
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from hdl_tests.harness.bench import Dut, start
from vitaccel import isa
from vitaccel.compile.instruction import Instruction, encode
from vitaccel.registers import CONTROL, REGISTERS, STATUS, State

__all__ = ["Host", "instruction"]

MEMORY_BASE, MEMORY_BYTES = 0x1000, 1 << 18
PROGRAM_BASE = MEMORY_BASE


def instruction(op: isa.Op, wait: int = 0, signal: int = 0, **fields: int) -> bytes:
    """Encode one instruction of a test program."""
    return encode(Instruction(op, "test", fields=fields, wait=wait, signal=signal))


def pauses(probability: float, name: str) -> Iterable[int]:
    """Random pauses of bursts of cycles, for `set_pause_generator`."""
    rng = random.Random(f"{name} {cocotb.RANDOM_SEED}")
    while True:
        yield int(rng.random() < probability)


class Host:
    """Drives ``m_axi`` with cocotbext-axi's `AxiRam` and ``s_axil`` with its `AxiLiteMaster`."""

    def __init__(self, dut: Dut) -> None:
        self.dut = dut
        self.ram: Any = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=2**32)
        self.control: Any = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.channels = {
            "aw": self.ram.write_if.aw_channel,
            "w": self.ram.write_if.w_channel,
            "b": self.ram.write_if.b_channel,
            "ar": self.ram.read_if.ar_channel,
            "r": self.ram.read_if.r_channel,
        }
        for part in (self.ram.write_if, self.ram.read_if, self.control.write_if):
            part.log.setLevel(logging.WARNING)
        self.control.read_if.log.setLevel(logging.WARNING)
        warnings.simplefilter("ignore", DeprecationWarning)  # cocotbext-axi under cocotb 2.1
        self.outside: list[int] = []  # addresses of bursts outside the window
        cocotb.start_soon(self._watch("ar"))
        cocotb.start_soon(self._watch("aw"))
        cocotb.start_soon(self._watch("w"))

    async def begin(self, pause: float = 0.0) -> None:
        """Reset, open the window, disturb the bus."""
        await start(self.dut, "stall")
        for name, channel in self.channels.items():
            if pause:
                channel.set_pause_generator(pauses(pause, name))
        await self.write("MEMORY_BASE", MEMORY_BASE)
        await self.write("MEMORY_LIMIT", MEMORY_BASE + MEMORY_BYTES)

    async def write(self, register: str, value: int) -> None:
        """Write a register by name."""
        await self.control.write_dword(REGISTERS[register].offset, value)

    async def read(self, register: str) -> int:
        """Read a register by name."""
        return await self.control.read_dword(REGISTERS[register].offset)

    async def act(self, *bits: str) -> None:
        """Write ones to the named bits of CONTROL."""
        await self.write("CONTROL", sum(1 << list(CONTROL).index(bit) for bit in bits))
        await ClockCycles(self.dut.clk, 2)  # the response comes together with the pulse

    async def status(self) -> dict[str, int]:
        """Fields of STATUS, and STATUS_PC as ``pc``."""
        word = await self.read("STATUS")
        fields = {}
        for name, width in STATUS.items():
            fields[name] = word & (1 << width) - 1
            word >>= width
        assert not word
        return fields | {"pc": await self.read("STATUS_PC")}

    async def launch(self, program: list[bytes]) -> None:
        """Put a program into memory and start it."""
        self.ram.write(PROGRAM_BASE, b"".join(program))
        await self.write("PROGRAM_BASE", PROGRAM_BASE)
        await self.write("PROGRAM_LENGTH", len(program))
        await self.act("start")

    async def finish(self) -> dict[str, int]:
        """Wait for the interrupt; return the status."""
        while not self.dut.interrupt.value:
            await RisingEdge(self.dut.clk)
        return await self.status()

    async def run(self, program: list[bytes]) -> None:
        """Run a program that must end well."""
        await self.launch(program)
        status = await self.finish()
        assert status["state"] == State.DONE, status
        await self.act("clear_interrupt")

    def respond(self, channel: str, n: int, response: int) -> None:
        """Let the ``n``-th transfer on ``r`` or ``b`` from now on carry an error response."""
        source = self.channels[channel]
        send, count = source.send, itertools.count()

        async def altered(transaction: Any) -> None:
            if next(count) == n:
                setattr(transaction, f"{channel}resp", response)
            await send(transaction)

        source.send = altered

    def behave(self) -> None:
        """Undo `respond`."""
        for channel in ("b", "r"):
            vars(self.channels[channel]).pop("send", None)

    async def _watch(self, channel: str) -> None:
        """What is offered must stay until taken, and lie in the window."""
        dut, before = self.dut, []
        names = ("addr", "len") if channel != "w" else ("data", "strb", "last")
        signals = [dut[f"m_axi_{channel}{name}"] for name in names]
        valid, ready = dut[f"m_axi_{channel}valid"], dut[f"m_axi_{channel}ready"]
        while True:
            await ReadOnly()
            offer = [int(signal.value) for signal in signals] if valid.value else []
            assert not before or offer == before, f"{channel} offer withdrawn or changed"
            taken = bool(offer) and bool(ready.value)
            if taken and channel != "w":
                end = offer[0] + (offer[1] + 1) * len(dut.m_axi_wstrb)
                if offer[0] < MEMORY_BASE or end > MEMORY_BASE + MEMORY_BYTES:
                    self.outside.append(offer[0])
            before = [] if taken else offer
            await RisingEdge(dut.clk)
