"""Back door to the simulated memory; for benches, inside the simulator."""

from pathlib import Path
from typing import Any

from cocotb.triggers import ClockCycles

from vitaccel.hw.axi.axi_memory import LOADED, SAVED

__all__ = ["MemoryDoor"]


class MemoryDoor:
    """Reads and writes the memory of a top with the door of `hw.axi.axi_memory.AxiMemory`.

    Files in the simulator's folder carry the words, so a megabyte takes two cycles.
    """

    def __init__(self, dut: Any, bus_bytes: int) -> None:
        self.dut, self.bus_bytes = dut, bus_bytes
        dut.door_load.value = dut.door_save.value = 0

    async def write(self, address: int, data: bytes) -> None:
        """Write from a bus word's address on; the rest of the last word becomes 0."""
        size = self.bus_bytes
        assert address % size == 0
        if not data:
            return
        data += bytes(-len(data) % size)
        words = [data[at : at + size][::-1].hex() for at in range(0, len(data), size)]
        Path(LOADED).write_text("\n".join(words))
        await self._use("door_load", address, len(data))

    async def read(self, address: int, size: int) -> bytes:
        """Read ``size`` bytes."""
        before = address % self.bus_bytes
        await self._use("door_save", address - before, before + size)
        lines = Path(SAVED).read_text().split()
        words = (bytes.fromhex(line)[::-1] for line in lines if not line.startswith("@"))
        return b"".join(words)[before : before + size]

    async def _use(self, door: str, address: int, size: int) -> None:
        first = address // self.bus_bytes
        self.dut.door_first.value = first
        self.dut.door_last.value = first + -(-size // self.bus_bytes) - 1
        self.dut[door].value = 1
        await ClockCycles(self.dut.clk, 1)
        self.dut[door].value = 0
        await ClockCycles(self.dut.clk, 1)
