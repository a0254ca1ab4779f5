"""The gateware of a board but its PLL and pins: digits over the serial line, equal to golden."""

import numpy as np
import pytest

from boards.catalogue import find_board
from boards.fit import check_fit_sdram
from golden.execute import execute
from golden.quantize import quantize
from golden.scheme import Scheme
from hdl_tests.harness.cosim import OUT
from vitaccel.compile import compile_network
from vitaccel.config import AcceleratorConfig
from vitaccel.flow.board_memory import BoardMemory, choose_memory
from vitaccel.flow.simulated_board import simulate_board
from vitaccel.host.deployment import Deployment
from vitaccel.memories import memory_timing
from vitaccel.presets import PRESETS
from vitaccel.sources import load_images, load_network
from vitaccel.timing import Stopwatch

pytestmark = [pytest.mark.cosim, pytest.mark.slow]


def run_digits(board_name: str, config: AcceleratorConfig, scheme: str, sdram: bool) -> None:
    """One picture; the network fits block RAM, so SDRAM is by choice."""
    board = find_board(board_name)
    network = load_network("digits")
    shape = network.layers[0].shape
    calibration = load_images("digits:train", shape, 64).images
    integers = quantize(network, calibration, Scheme.for_config(scheme, config))
    memory = choose_memory(integers, board, config)
    assert not memory.sdram
    if sdram:
        assert board.sdram is not None
        timing = memory_timing("sdram", config)
        program = compile_network(integers, config, timing=timing)
        need = check_fit_sdram(board, config, program.size)
        memory = BoardMemory(program, timing, board.sdram.size, True, need)
    program = memory.program
    want = execute(integers, load_images("digits", shape, 2).images[:1])
    deployment = Deployment(
        board.name, config, program, integers, memory.size, clock_mhz=board.mhz, sdram=sdram
    )
    patches = want[program.input.tensor][0].numpy().astype(np.int64)
    found = simulate_board(deployment, patches, OUT / "models", Stopwatch())
    last = integers.layers[-1]
    (raw,) = found.outputs
    (region,) = program.outputs
    logits = region.read(bytes(region.address) + raw, last.out.signed)
    assert logits.tolist() == region.of(want[last.name][0].numpy().astype(np.int64)).tolist()
    assert found.counters["CYCLES"] > 0


def test_digits_on_the_smallest_board() -> None:
    run_digits("ulx3s-25f", PRESETS["small"], "w4a8", sdram=False)


def test_digits_in_the_sdram_of_the_ulx3s() -> None:
    """Program, constants and tensors behind LiteDRAM and its model of the chip."""
    run_digits("ulx3s-85f", PRESETS["tiny"], "w8a8", sdram=True)
