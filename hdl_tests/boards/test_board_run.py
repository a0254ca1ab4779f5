"""The gateware of a board but its PLL and pins: digits over the serial line, equal to golden."""

import numpy as np
import pytest

from boards.catalogue import find_board
from boards.fit import check_fit, memory_size
from golden.execute import execute
from golden.quantize import quantize
from golden.scheme import Scheme
from hdl_tests.harness.cosim import OUT
from vitaccel.compile import compile_network
from vitaccel.config import PRESETS
from vitaccel.flow.build import ON_CHIP
from vitaccel.flow.simulated_board import simulate_board
from vitaccel.host.deployment import Deployment
from vitaccel.sources import load_images, load_network
from vitaccel.timing import Stopwatch


@pytest.mark.cosim
@pytest.mark.slow
def test_digits_on_the_smallest_board() -> None:
    board = find_board("ulx3s-25f")
    config = PRESETS[board.preset]
    network = load_network("digits")
    shape = network.layers[0].shape
    calibration = load_images("digits:train", shape, 64).images
    integers = quantize(network, calibration, Scheme.for_config("w4a8", config))
    program = compile_network(integers, config, timing=ON_CHIP)
    check_fit(board, config, program.size)
    want = execute(integers, load_images("digits", shape, 2).images[:1])
    size = memory_size(program.size)
    deployment = Deployment(board.name, config, program, integers, size)
    patches = want[program.input.tensor][0].numpy().astype(np.int64)
    found = simulate_board(deployment, patches, OUT / "models", Stopwatch())
    last = integers.layers[-1]
    (raw,) = found.outputs
    (region,) = program.outputs
    logits = region.read(bytes(region.address) + raw, last.out.signed)
    assert logits.tolist() == region.of(want[last.name][0].numpy().astype(np.int64)).tolist()
    assert found.counters["CYCLES"] > 0
