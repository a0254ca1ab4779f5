"""Bench run inside Verilator by `test_axi_memory.py`."""

import json
import logging
import os
import random
import warnings

import cocotb
import pytest
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from hdl_tests.harness.bench import Dut, start
from hdl_tests.harness.host import instruction
from vitaccel.compile.instruction import decode
from vitaccel.compile.program import Decoded
from vitaccel.config import AcceleratorConfig
from vitaccel.estimate import timeline
from vitaccel.host.memory_door import MemoryDoor
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.isa import Op, Space, Status, Unit
from vitaccel.registers import REGISTERS, State

CONFIG = AcceleratorConfig.model_validate_json(os.environ["VITACCEL_CONFIG"])
SIZE = int(os.environ["SIZE"])
TIMING = MemoryTiming(**json.loads(os.environ["TIMING"]))
OVERHEAD = 180  # cycles of a run beside its beats: fetching the program, one latency, refresh
BUS = CONFIG.axi_bytes
N_BEATS = 1024
TOLERANCE = 0.03


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def latency_costs_nothing(dut: Dut) -> None:
    """Bytes arrive, a beat per cycle as far as the memory goes; past its end is SLVERR.

    Rows too short for that take as long as the estimate says.
    """
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    await start(dut, "door_load", "door_save")
    door = MemoryDoor(dut, BUS)

    async def run(program: list[bytes]) -> tuple[int, int]:
        await door.write(0, b"".join(program))
        for name, value in {"PROGRAM_LENGTH": len(program), "MEMORY_LIMIT": 2 * SIZE}.items():
            await control.write_dword(REGISTERS[name].offset, value)
        await control.write_dword(REGISTERS["CONTROL"].offset, 1)
        await RisingEdge(dut.interrupt)
        status = await control.read_dword(REGISTERS["STATUS"].offset)
        return status, await control.read_dword(REGISTERS["CYCLES"].offset)

    data = random.Random(1).randbytes(N_BEATS * BUS)
    words = N_BEATS * BUS // CONFIG.rows
    await door.write(0x1000, data)
    halves = [
        instruction(
            Op.LOAD,
            external=0x1000 + n * len(data) // 2,
            local=n * words // 2,
            n_rows=1,
            n_words=words // 2,
            space=Space.ACTIVATION,
            signal=n << Unit.STORE,
        )  # fmt: skip
        for n in range(2)
    ]
    status, cycles = await run([*halves, instruction(Op.HALT)])
    assert status & 3 == State.DONE
    assert N_BEATS <= cycles <= N_BEATS + OVERHEAD
    store = instruction(Op.STORE, external=0x8000, n_rows=1, n_words=words)
    status, cycles = await run([store, instruction(Op.HALT)])
    assert status & 3 == State.DONE
    assert N_BEATS <= cycles <= N_BEATS + OVERHEAD
    assert await door.read(0x8000, len(data)) == data

    for n_words in (1, 2, 3, 7, 40):
        rows = {"external": 0x1000, "n_rows": words // n_words, "n_words": n_words}
        rows |= {"external_stride": n_words * CONFIG.rows, "local_stride": n_words}
        load = instruction(Op.LOAD, space=Space.ACTIVATION, **rows)
        status, cycles = await run([load, instruction(Op.HALT)])
        assert status & 3 == State.DONE
        step = Decoded(*decode(load), "")
        assert cycles == pytest.approx(timeline([step], CONFIG, TIMING).cycles, rel=TOLERANCE)

    for op, code in ((Op.LOAD, Status.READ_SLVERR), (Op.STORE, Status.WRITE_SLVERR)):
        bad = instruction(op, external=SIZE - BUS, n_rows=1, n_words=8)
        status, _ = await run([bad, instruction(Op.HALT)])
        assert status & 3 == State.ERROR
        assert status >> 4 & 15 == code
