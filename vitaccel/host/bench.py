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

from vitaccel.compile.program import Program, Routine
from vitaccel.flow.simulation import progress
from vitaccel.host.driver import Driver
from vitaccel.host.simulated import SimulatedTransport

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
    timeline: list[tuple[int, int, int]] = field(default_factory=list)  # busy, waiting, done
    seconds: float = 0.0  # wall time of untraced images


async def _infer(driver: Driver, program: Program, patches: np.ndarray) -> list[bytes]:
    region = program.input
    memory = bytearray(region.address + region.n_rows * region.stride)
    region.write(memory, patches)
    await driver.transport.write_memory(region.address, bytes(memory[region.address :]))
    await driver.run(program.main)
    return [
        await driver.transport.read_memory(out.address, out.n_rows * out.stride)
        for out in program.outputs
    ]


async def _watch(dut: Any, timeline: list[tuple[int, int, int]]) -> None:
    while True:
        await RisingEdge(dut.clk)
        ports = (dut.busy, dut.waiting, dut.done)
        timeline.append(tuple(port.value.to_unsigned() for port in ports))


async def _timeline(dut: Any, driver: Driver, routine: Routine) -> list[tuple[int, int, int]]:
    """Units at work in every cycle of one more run of the last image."""
    timeline: list[tuple[int, int, int]] = []
    watcher = cocotb.start_soon(_watch(dut, timeline))
    await driver.run(routine)
    watcher.cancel()
    return timeline


async def _reset(dut: Any) -> None:
    for name in ("arvalid", "awvalid", "wvalid", "rready", "bready"):
        dut[f"s_axil_{name}"].value = 0
    dut.door_write.value = 0
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
        results.outputs.append(await _infer(driver, job.full, patches))
        progress(images=len(results.outputs))
    await driver.load(job.lean)
    began = time.monotonic()
    for patches in job.patches[job.traced :]:
        results.outputs.append(await _infer(driver, job.lean, patches))
        results.counters.append(await driver.counters())
        progress(images=len(results.outputs))
    results.seconds = time.monotonic() - began
    results.timeline = await _timeline(dut, driver, job.lean.main)
    Path(RESULTS).write_bytes(pickle.dumps(results))
