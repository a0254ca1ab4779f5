"""Bench run inside Verilator by `test_sdram.py`."""

import logging
import os
import random
import warnings
from typing import Any

import cocotb
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiMaster

from hdl_tests.harness.bench import Dut, start

BUS = int(os.environ["BUS_BYTES"])
SIZE = int(os.environ["SIZE"])


async def memory(dut: Dut) -> Any:
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    master = AxiMaster(AxiBus.from_prefix(dut, ""), dut.clk, dut.rst, max_burst_len=32)
    await start(dut)
    return master


def cycles() -> int:
    return round(get_sim_time("ns") / 10)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def what_was_written_comes_back(dut: Dut) -> None:
    """Bytes in every bank and at both ends, any strobes; nothing else changes."""
    master = await memory(dut)
    before = cycles()
    await master.write(0, bytes(BUS))
    dut._log.warning("set up after %d", cycles() - before)
    rng = random.Random(BUS)
    places = [0, SIZE - 1024, *(rng.randrange(SIZE // 1024) * 1024 for _ in range(20))]
    places = list(dict.fromkeys(places))
    model = {place: bytearray(rng.randbytes(1024)) for place in places}
    for place, data in model.items():
        await master.write(place, bytes(data))
    for _ in range(40):
        place = rng.choice(places)
        at = rng.randrange(1024)
        data = rng.randbytes(rng.randint(1, min(100, 1024 - at)))
        await master.write(place + at, data)
        model[place][at : at + len(data)] = data
    for place, data in model.items():
        assert (await master.read(place, 1024)).data == bytes(data)
    t = cycles()
    await master.read(0, BUS)
    dut._log.warning("latency %d", cycles() - t)
    t = cycles()
    await master.read(0, BUS * 128)
    dut._log.warning("reads %f per beat", (cycles() - t) / 128)
    t = cycles()
    await master.write(0, bytes(BUS * 128))
    dut._log.warning("writes %f per beat", (cycles() - t) / 128)
