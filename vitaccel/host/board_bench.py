"""Cocotb bench of `vitaccel infer --sim`: one image through the simulated board.

The job is a pickle in the working directory, written by `vitaccel.flow.simulated_board`; so is the
result.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from vitaccel.compile.program import Program
from vitaccel.errors import VitAccelError
from vitaccel.host.inference import infer
from vitaccel.host.simulated_wire import CLOCK_NS, SimulatedWire

__all__ = ["JOB", "RESULT", "BoardJob"]

JOB, RESULT = "job.pickle", "result.pickle"


@dataclass(frozen=True)
class BoardJob:
    """A program and an image as integers ``[tokens, k]``."""

    program: Program
    patches: np.ndarray


@cocotb.test()
async def classify(dut: Any) -> None:
    """Run the job; the result is an `Inference`, or the error that ended it."""
    job: BoardJob = pickle.loads(Path(JOB).read_bytes())
    dut.to_board__valid.value = 0
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_NS, unit="ns").start(start_high=False)
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(4):  # the reset is registered inside
        await RisingEdge(dut.clk)
    try:
        result = await infer(SimulatedWire(dut), job.program, job.patches)
    except VitAccelError as error:
        result = error
    Path(RESULT).write_bytes(pickle.dumps(result))
