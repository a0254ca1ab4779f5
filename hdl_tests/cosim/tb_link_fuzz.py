"""Bench run inside Verilator by `test_link_fuzz.py`: waits until all is heard, saves the memory."""

import os

import cocotb
from cocotb.triggers import RisingEdge

from hdl_tests.harness.bench import Dut, start
from vitaccel.host.memory_door import MemoryDoor


@cocotb.test(timeout_time=30, timeout_unit="sec")
async def hear(dut: Dut) -> None:
    dut.pause.value = int(os.environ["PAUSE"])
    door = MemoryDoor(dut, int(os.environ["BUS_BYTES"]))
    await start(dut)
    await RisingEdge(dut.finished)
    await door.read(0, int(os.environ["MEMORY_BYTES"]))
