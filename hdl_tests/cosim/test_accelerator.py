"""The whole accelerator as Verilog, with cocotbext-axi's memory: every intermediate tensor."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.execute import execute
from hdl_tests.harness.cases import CASES, SERIAL, images_for
from hdl_tests.harness.cosim import simulate
from hdl_tests.harness.networks import random_qnetwork
from vitaccel.compile import compile_network
from vitaccel.hw.accelerator import Accelerator

pytestmark = pytest.mark.cosim

QUICK = ("tiny",)
EVERY = CASES | {"serial": SERIAL}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in EVERY],
)
def test_every_tensor_matches_golden(name: str, tmp_path: Path) -> None:
    config, build = EVERY[name]
    network = random_qnetwork(**(dict[str, Any](log2=False, seed=3) | build))
    image = images_for(network, 5)
    tensors = execute(network, image)
    program = compile_network(network, config, keep=True)
    formats = {layer.name: layer.out for layer in network.layers}
    want = []
    for region in program.outputs:
        expected = region.of(tensors[region.tensor][0].numpy().astype(np.int64))
        want.append((region, formats[region.tensor].signed, expected))
    job = tmp_path / "job.pickle"
    patches = tensors[program.input.tensor][0].numpy().astype(np.int64)
    job.write_bytes(pickle.dumps({"program": program, "patches": patches, "want": want}))
    simulate(
        Accelerator(config),
        name="vitaccel",
        bench="hdl_tests.cosim.tb_accelerator",
        env={"VITACCEL_JOB": str(job)},
    )
