"""Cocotb bench of `vitaccel simulate`: drives the simulated accelerator through a job.

The job is a pickle in the working directory, written by `vitaccel.verify`; so are the results.
"""

import pickle
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from vitaccel.compile.program import Program
from vitaccel.flow.simulation import progress
from vitaccel.host.driver import Driver
from vitaccel.host.simulated import SimulatedTransport
from vitaccel.hw.simulation_top import TRACE

__all__ = ["JOB", "RESULTS", "Job", "Results", "accelerate"]

JOB, RESULTS = "job.pickle", "results.pickle"


@dataclass(frozen=True)
class Job:
    """Images as integer patches ``[n, tokens, k]``; the first ``traced`` keep every tensor."""

    lean: Program
    full: Program
    patches: np.ndarray
    traced: int
    bus_bytes: int


@dataclass
class Results:
    """``outputs[image]``: bytes of each region of the program that ran it."""

    outputs: list[list[bytes]] = field(default_factory=list)
    counters: list[dict[str, int]] = field(default_factory=list)  # of untraced images
    trace: str = ""  # of the last image, see `hw.simulation_top.SimulationTop`
    seconds: float = 0.0  # wall time of untraced images


async def _infer(
    dut: Any, driver: Driver, program: Program, patches: np.ndarray, trace: bool = False
) -> list[bytes]:
    await driver.write_input(program, patches)
    dut.tracing.value = int(trace)
    await driver.run(program.main)
    dut.tracing.value = 0
    return await driver.read_outputs(program)


async def _reset(dut: Any) -> None:
    for name in ("arvalid", "awvalid", "wvalid", "rready", "bready"):
        dut[f"s_axil_{name}"].value = 0
    dut.tracing.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start(start_high=False)
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(4):  # the reset is registered inside
        await RisingEdge(dut.clk)


@cocotb.test()
async def accelerate(dut: Any) -> None:
    """Run the job."""
    job: Job = pickle.loads(Path(JOB).read_bytes())
    results = Results()
    await _reset(dut)
    driver = Driver(SimulatedTransport(dut, job.bus_bytes))
    await driver.load(job.full)
    for patches in job.patches[: job.traced]:
        results.outputs.append(await _infer(dut, driver, job.full, patches))
        progress(images=len(results.outputs))
    await driver.load(job.lean)
    began = time.monotonic()
    for n in range(job.traced, len(job.patches)):
        last = n == len(job.patches) - 1
        results.outputs.append(await _infer(dut, driver, job.lean, job.patches[n], last))
        results.counters.append(await driver.counters())
        progress(images=len(results.outputs))
    results.seconds = time.monotonic() - began
    results.trace = Path(TRACE).read_text()
    Path(RESULTS).write_bytes(pickle.dumps(results))
