"""Cable to the simulated board; runs inside the simulator, under cocotb."""

from typing import Any

import cocotb
from cocotb.triggers import Event, ReadOnly, RisingEdge, SimTimeoutError, with_timeout

__all__ = ["SimulatedWire"]

CLOCK_NS = 10
ANSWER_CYCLES = 200_000  # without a byte: a queue of requests, bit by bit


class SimulatedWire:
    """`vitaccel.host.link.Wire` to a `vitaccel.hw.link.simulated_board.SimulatedBoard`."""

    name = "the simulated board"

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self._received = bytearray()
        self._news = Event()
        dut.from_board__ready.value = 1
        cocotb.start_soon(self._listen())

    async def send(self, data: bytes) -> None:
        """Byte by byte, as fast as the line takes them."""
        dut = self.dut
        for byte in data:
            dut.to_board__payload.value = byte
            dut.to_board__valid.value = 1
            await ReadOnly()
            if not dut.to_board__ready.value:
                await RisingEdge(dut.to_board__ready)
            await RisingEdge(dut.clk)
        dut.to_board__valid.value = 0

    async def receive(self) -> bytes:
        """All that came since, or else the next byte."""
        if not self._received:
            self._news.clear()
            try:
                await with_timeout(self._news.wait(), ANSWER_CYCLES * CLOCK_NS, "ns")
            except SimTimeoutError:
                return b""
        received = bytes(self._received)
        self._received.clear()
        return received

    async def _listen(self) -> None:
        dut = self.dut
        while True:
            await RisingEdge(dut.from_board__valid)
            await ReadOnly()
            self._received.append(dut.from_board__payload.value.to_unsigned())
            await RisingEdge(dut.clk)  # who waits for news may want to write
            self._news.set()
