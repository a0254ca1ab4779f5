"""Bench run inside Verilator by `test_sdram.py`."""

import logging
import os
import random
import warnings
from collections.abc import Coroutine
from typing import Any

import cocotb
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiMaster

from hdl_tests.harness.bench import Dut, start
from vitaccel.config import AcceleratorConfig
from vitaccel.memories import memory_timing

BUS = int(os.environ["BUS_BYTES"])
SIZE = int(os.environ["SIZE"])
CONFIG = AcceleratorConfig(axi_bytes=BUS)  # pyright: ignore[reportArgumentType]
TIMING = memory_timing("sdram", CONFIG)
SETUP = 20_000  # cycles that the chip wants to be left alone, beside the rest of its start
BEATS = 128


async def memory(dut: Dut) -> Any:
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    master = AxiMaster(AxiBus.from_prefix(dut, ""), dut.clk, dut.rst, max_burst_len=32)
    await start(dut)
    return master


def now() -> int:
    return round(get_sim_time("ns") / 10)


async def cycles(access: Coroutine[Any, Any, Any]) -> int:
    before = now()
    await access
    return now() - before


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def what_was_written_comes_back(dut: Dut) -> None:
    """Bytes in every bank and at both ends, any strobes; nothing else changes."""
    master = await memory(dut)
    assert SETUP <= await cycles(master.write(0, bytes(BUS))) <= SETUP + 1000
    rng = random.Random(BUS)
    places = [0, SIZE - 1024, *rng.sample(range(1024, SIZE - 1024, 1024), 20)]
    model = {place: bytearray(rng.randbytes(1024)) for place in places}
    for place, data in model.items():
        await master.write(place, bytes(data))
    for _ in range(40):
        place, at = rng.choice(places), rng.randrange(1024)
        data = rng.randbytes(rng.randint(1, min(100, 1024 - at)))
        await master.write(place + at, data)
        model[place][at : at + len(data)] = data
    for place, data in model.items():
        assert (await master.read(place, 1024)).data == bytes(data)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def as_fast_as_the_compiler_thinks(dut: Dut) -> None:
    """Within 5 %: at half the clock refresh comes twice as often as `vitaccel.memories` says."""
    master = await memory(dut)
    await master.write(0, bytes(BUS))
    assert await cycles(master.read(0, BUS)) <= TIMING.latency + TIMING.interval
    limit = TIMING.latency + 1.05 * TIMING.interval * BEATS
    assert await cycles(master.read(0, BUS * BEATS)) <= limit
    assert await cycles(master.write(0, bytes(BUS * BEATS))) <= limit
