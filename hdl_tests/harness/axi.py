"""Transport over bus models that nobody here wrote: cocotbext-axi; runs inside the simulator."""

import logging
import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam


def pauses(probability: float, seed: int) -> Any:
    rng = random.Random(seed)
    while True:
        yield rng.random() < probability


class AxiTransport:
    """`AxiRam` (untyped) as memory behind the accelerator, `AxiLiteMaster` as its host."""

    def __init__(self, dut: Any, size: int, pause: float = 0.0) -> None:
        for name in ("cocotb.vitaccel", f"cocotb.{dut._name}"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.dut = dut
        self.ram: Any = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=size)
        self.host: Any = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        if pause:
            channels = (
                self.ram.read_if.ar_channel,
                self.ram.read_if.r_channel,
                self.ram.write_if.aw_channel,
                self.ram.write_if.w_channel,
                self.ram.write_if.b_channel,
            )
            for n, channel in enumerate(channels):
                channel.set_pause_generator(pauses(pause, n + cocotb.RANDOM_SEED))

    async def reset(self) -> None:
        self.dut.rst.value = 1
        Clock(self.dut.clk, 10, unit="ns").start(start_high=False)
        for _ in range(4):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        await RisingEdge(self.dut.clk)

    async def read_register(self, offset: int) -> int:
        return int.from_bytes((await self.host.read(offset, 4)).data, "little")

    async def write_register(self, offset: int, value: int) -> None:
        await self.host.write(offset, value.to_bytes(4, "little"))

    async def read_memory(self, address: int, size: int) -> bytes:
        return bytes(self.ram.read(address, size))

    async def write_memory(self, address: int, data: bytes) -> None:
        self.ram.write(address, data)

    async def interrupt(self) -> None:
        if not self.dut.interrupt.value:
            await RisingEdge(self.dut.interrupt)
