"""Run programs on an accelerator, whatever it is reached through."""

from typing import Protocol

import numpy as np

from vitaccel.compile.program import Program, Routine
from vitaccel.errors import DeviceError
from vitaccel.isa import Fields, Status, Unit
from vitaccel.registers import CONTROL, IDENTITY, REGISTERS, SEQUENCER, STATUS, State, digest_word

__all__ = ["Driver", "Transport"]


class Transport(Protocol):
    """What a driver needs of a link: registers, memory, and to be told of the interrupt."""

    async def read_register(self, offset: int) -> int:
        """Read the 32-bit register at byte ``offset``."""
        ...

    async def write_register(self, offset: int, value: int) -> None:
        """Write the 32-bit register at byte ``offset``."""
        ...

    async def read_memory(self, address: int, size: int) -> bytes:
        """Read ``size`` bytes of the accelerator's memory."""
        ...

    async def write_memory(self, address: int, data: bytes) -> None:
        """Write bytes of the accelerator's memory; both ends are multiples of the bus width."""
        ...

    async def interrupt(self) -> None:
        """Return once the interrupt is raised."""
        ...


def _pack(fields: Fields, **values: int) -> int:
    word = offset = 0
    for name, width in fields.items():
        word |= values.get(name, 0) << offset
        offset += width
    return word


def _unpack(fields: Fields, word: int) -> dict[str, int]:
    values = {}
    for name, width in fields.items():
        values[name] = word & (1 << width) - 1
        word >>= width
    return values


class Driver:
    """One accelerator behind ``transport``."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def read(self, name: str) -> int:
        """Register ``name`` of `vitaccel.registers`."""
        return await self.transport.read_register(REGISTERS[name].offset)

    async def write(self, name: str, value: int) -> None:
        """Set register ``name``."""
        await self.transport.write_register(REGISTERS[name].offset, value)

    async def identify(self, config_digest: str) -> None:
        """Make sure that this is the accelerator a program was compiled for.

        Raises
        ------
        DeviceError
            If it is none of ours, or has another configuration.
        """
        if await self.read("ID") != IDENTITY:
            raise DeviceError("no vitaccel accelerator answers here; check the bitstream")
        found = await self.read("CONFIG_DIGEST")
        if found != digest_word(config_digest):
            raise DeviceError(
                f"the accelerator has configuration {found:08x}, but the program was compiled for "
                f"{config_digest[:8]}; compile or build again so that both agree"
            )

    async def load(self, program: Program) -> None:
        """Write code and constants, then run what brings resident parameters on chip."""
        await self.identify(program.config_digest)
        await self.transport.write_memory(0, program.image)
        await self.write("MEMORY_BASE", 0)
        await self.write("MEMORY_LIMIT", program.size)
        if program.setup is not None:
            await self.run(program.setup)

    async def write_input(self, program: Program, patches: np.ndarray) -> None:
        """Write an image, integer patches ``[tokens, k]``."""
        region = program.input
        memory = bytearray(region.address + region.n_rows * region.stride)
        region.write(memory, patches)
        await self.transport.write_memory(region.address, bytes(memory[region.address :]))

    async def read_outputs(self, program: Program) -> list[bytes]:
        """Bytes of each of the program's output regions."""
        return [
            await self.transport.read_memory(out.address, out.n_rows * out.stride)
            for out in program.outputs
        ]

    async def run(self, routine: Routine) -> None:
        """Run one routine to its end.

        Raises
        ------
        DeviceError
            If the core stops with an error: status, unit and instruction.
        """
        await self.write("PROGRAM_BASE", routine.address)
        await self.write("PROGRAM_LENGTH", len(routine.labels))
        await self.write("CONTROL", _pack(CONTROL, start=1))
        await self.transport.interrupt()
        status = _unpack(STATUS, await self.read("STATUS"))
        await self.write("CONTROL", _pack(CONTROL, clear_interrupt=1))
        if status["state"] == State.DONE:
            return
        pc = await self.read("STATUS_PC")
        unit = "SEQUENCER" if status["unit"] == SEQUENCER else Unit(status["unit"]).name
        layer = routine.labels[pc] if pc < len(routine.labels) else ""
        raise DeviceError(
            f"the core stopped with {Status(status['code']).name} in {unit} at instruction {pc}"
            f"{f' (layer {layer})' if layer else ''}"
        )

    async def counters(self) -> dict[str, int]:
        """Cycle counters of the last run."""
        names = ["CYCLES", "MXU_BEATS"]
        names += [f"{kind}_{unit.name}" for kind in ("BUSY", "WAITING") for unit in Unit]
        return {name: await self.read(name) for name in names}
