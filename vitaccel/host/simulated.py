"""Transport to the accelerator in Verilator; runs inside the simulator, under cocotb."""

from typing import Any

from cocotb.triggers import ReadOnly, RisingEdge, SimTimeoutError, with_timeout

from vitaccel.errors import DeviceError
from vitaccel.host.memory_door import MemoryDoor

__all__ = ["SimulatedTransport"]


PATIENCE_NS = 10 * (1 << 27)  # far beyond the watchdog, which ends a stuck run much earlier


class SimulatedTransport:
    """Ports of `hw.simulation_top.SimulationTop`; Python wakes only to touch them.

    Memory is reached through the back door of the simulated memory.
    """

    def __init__(self, dut: Any, bus_bytes: int) -> None:
        self.dut, self._door = dut, MemoryDoor(dut, bus_bytes)

    async def _handshake(self, valid: str, ready: str) -> None:
        self.dut[valid].value = 1
        taken = False
        while not taken:
            await ReadOnly()
            taken = bool(self.dut[ready].value)
            await RisingEdge(self.dut.clk)
        self.dut[valid].value = 0

    async def read_register(self, offset: int) -> int:
        """AXI4-Lite read."""
        dut = self.dut
        dut.s_axil_araddr.value = offset
        dut.s_axil_rready.value = 0
        await self._handshake("s_axil_arvalid", "s_axil_arready")
        while True:
            await ReadOnly()
            if dut.s_axil_rvalid.value:
                break
            await RisingEdge(dut.clk)
        value = dut.s_axil_rdata.value.to_unsigned()
        await RisingEdge(dut.clk)
        dut.s_axil_rready.value = 1
        await RisingEdge(dut.clk)
        dut.s_axil_rready.value = 0
        return value

    async def write_register(self, offset: int, value: int) -> None:
        """AXI4-Lite write."""
        dut = self.dut
        dut.s_axil_awaddr.value = offset
        dut.s_axil_wdata.value = value
        dut.s_axil_wstrb.value = 15
        dut.s_axil_bready.value = 1
        dut.s_axil_wvalid.value = 1
        dut.s_axil_awvalid.value = 1
        waiting = {"aw", "w", "b"}
        while waiting:
            await ReadOnly()
            done = {n for n in waiting if self._moves(n)}
            await RisingEdge(dut.clk)
            waiting -= done
            for name in done:
                port = "s_axil_bready" if name == "b" else f"s_axil_{name}valid"
                dut[port].value = 0

    def _moves(self, channel: str) -> bool:
        dut = self.dut
        return bool(dut[f"s_axil_{channel}valid"].value) and bool(
            dut[f"s_axil_{channel}ready"].value
        )

    async def write_memory(self, address: int, data: bytes) -> None:
        """Back door."""
        await self._door.write(address, data)

    async def read_memory(self, address: int, size: int) -> bytes:
        """Back door."""
        return await self._door.read(address, size)

    async def interrupt(self) -> None:
        """Wait without waking up."""
        if not self.dut.interrupt.value:
            try:
                await with_timeout(RisingEdge(self.dut.interrupt), PATIENCE_NS, "ns")
            except SimTimeoutError as late:
                raise DeviceError("the simulated core never raises its interrupt") from late
        await RisingEdge(self.dut.clk)
