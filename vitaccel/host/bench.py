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

__all__ = ["JOB", "RESULTS", "Job", "Result", "Task", "accelerate"]

JOB, RESULTS = "job.pickle", "results.pickle"


@dataclass(frozen=True)
class Task:
    """Runs of a program on integer patches ``[runs, rows, k]``, those of a batch after another."""

    program: Program
    patches: np.ndarray


@dataclass(frozen=True)
class Job:
    """Tasks in order; the last run of the last one is traced."""

    tasks: tuple[Task, ...]
    bus_bytes: int


@dataclass
class Result:
    """Of one task; ``outputs[run]``: bytes of each region of the program."""

    outputs: list[list[bytes]] = field(default_factory=list)
    counters: list[dict[str, int]] = field(default_factory=list)  # of each run
    seconds: float = 0.0  # wall time
    trace: str = ""  # of the last run, see `hw.simulation_top.SimulationTop`


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
    results: list[Result] = []
    await _reset(dut)
    driver = Driver(SimulatedTransport(dut, job.bus_bytes))
    images = 0
    for task in job.tasks:
        results.append(result := Result())
        await driver.load(task.program)
        began = time.monotonic()
        for n, patches in enumerate(task.patches):
            last = task is job.tasks[-1] and n == len(task.patches) - 1
            result.outputs.append(await _infer(dut, driver, task.program, patches, last))
            result.counters.append(await driver.counters())
            images += task.program.batch
            progress(images=images)
        result.seconds = time.monotonic() - began
    results[-1].trace = Path(TRACE).read_text()
    Path(RESULTS).write_bytes(pickle.dumps(results))
