"""A convolutional network with linear attention on the whole accelerator: every tensor."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from golden.execute import execute
from hdl_tests.harness.cases import images_for
from hdl_tests.harness.cosim import simulate
from hdl_tests.harness.hybrids import random_hybrid
from vitaccel.compile import compile_network
from vitaccel.hw.accelerator import Accelerator
from vitaccel.presets import PRESETS

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

CONFIG = PRESETS["tiny"].replace(hybrid=True, table_slots=8, activation_words=2048)


def test_every_tensor_matches_golden(tmp_path: Path) -> None:
    network = random_hybrid()
    image = images_for(network, 5)
    tensors = execute(network, image)
    program = compile_network(network, CONFIG, keep=True)
    formats = {layer.name: layer.out for layer in network.layers}
    want = []
    for region in program.outputs:
        expected = region.of(tensors[region.tensor][0].numpy().astype(np.int64))
        want.append((region, formats[region.tensor].signed, expected))
    job = tmp_path / "job.pickle"
    patches = tensors[program.input.tensor][0].numpy().astype(np.int64)
    job.write_bytes(pickle.dumps({"program": program, "patches": patches, "want": want}))
    simulate(
        Accelerator(CONFIG),
        name="vitaccel",
        bench="hdl_tests.cosim.tb_accelerator",
        env={"VITACCEL_JOB": str(job)},
    )
