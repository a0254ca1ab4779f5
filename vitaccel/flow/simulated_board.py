"""An inference on the simulated board."""

import pickle
import tempfile
from pathlib import Path

import numpy as np

from boards.catalogue import find_board
from vitaccel.errors import ConfigError, VitAccelError
from vitaccel.flow.sdram import make_controller
from vitaccel.flow.simulation import build_model, run_bench
from vitaccel.host.board_bench import JOB, RESULT, BoardJob
from vitaccel.host.deployment import Deployment
from vitaccel.host.inference import Inference
from vitaccel.hw.link.simulated_board import SimulatedBoard
from vitaccel.hw.memory.sdram import Controller
from vitaccel.timing import Stopwatch

__all__ = ["simulate_board"]

TOP = "simulated_board"


def simulate_board(
    deployment: Deployment, patches: np.ndarray, models: Path, watch: Stopwatch
) -> Inference:
    """Run one image on a `SimulatedBoard`, by the bytes that would go over the cable.

    Parameters
    ----------
    patches
        The image as integers ``[tokens, k]``.
    models
        Folder that keeps simulation models between calls.
    watch
        Times the steps build and simulate.

    Raises
    ------
    ToolError, BuildError
        If a tool is missing, or the simulation does not build.
    DeviceError, ConfigError
        As `vitaccel.host.inference.infer`.
    """
    with watch("build"):
        controller = _controller(deployment, models / "controllers")
        board = SimulatedBoard(deployment.config, deployment.memory_bytes, controller)
        model = build_model(board.verilog(TOP), TOP, models)
    with watch("simulate"), tempfile.TemporaryDirectory(prefix="vitaccel-") as place:
        folder = Path(place)
        (folder / JOB).write_bytes(pickle.dumps(BoardJob(deployment.program, patches)))
        run_bench(model, "vitaccel.host.board_bench", folder)
        result = pickle.loads((folder / RESULT).read_bytes())
    if isinstance(result, VitAccelError):
        raise result
    return result


def _controller(deployment: Deployment, cache: Path) -> Controller | None:
    if not deployment.sdram:
        return None
    board = find_board(deployment.board)
    if board.sdram is None:
        raise ConfigError(f"board.json names SDRAM, which {board.name} has not; build again")
    return make_controller(
        board.sdram, (deployment.clock_mhz or board.mhz) * 1e6, cache, simulated=True
    )
