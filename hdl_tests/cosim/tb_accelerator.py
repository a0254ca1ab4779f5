"""Bench run inside Verilator by `test_accelerator.py`: one image, every tensor."""

import os
import pickle
from pathlib import Path

import cocotb
import numpy as np
from cocotb.triggers import with_timeout

from hdl_tests.harness.axi import AxiTransport
from hdl_tests.harness.bench import Dut
from vitaccel import isa
from vitaccel.compile.program import Program
from vitaccel.host.driver import Driver

JOB = pickle.loads(Path(os.environ["VITACCEL_JOB"]).read_bytes())


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.3])
async def every_tensor_matches_golden(dut: Dut, pause: float) -> None:
    program: Program = JOB["program"]
    transport = AxiTransport(dut, 1 << (program.size - 1).bit_length(), pause)
    await transport.reset()
    driver = Driver(transport)
    await with_timeout(driver.load(program), 5, "ms")
    memory = bytearray(program.size)
    program.input.write(memory, JOB["patches"])
    region = program.input
    at, size = region.address, region.n_rows * region.stride
    await transport.write_memory(at, bytes(memory[at : at + size]))
    await with_timeout(driver.run(program.main), 5, "ms")
    for out, signed, want in JOB["want"]:
        raw = await transport.read_memory(out.address, out.n_rows * out.stride)
        got = out.read(bytes(out.address) + raw, signed)
        wrong = np.argwhere(got != want)
        assert not len(wrong), (
            f"{out.tensor} head {out.head}: {len(wrong)} differ, first {wrong[0]}: "
            f"got {got[tuple(wrong[0])]}, want {want[tuple(wrong[0])]}"
        )
    counters = await driver.counters()
    dut._log.info("counters %s", counters)
    assert counters["CYCLES"] > counters["MXU_BEATS"]
    assert bool(counters["MXU_BEATS"]) == (program.instruction_bytes == isa.BYTES)  # serial: none
