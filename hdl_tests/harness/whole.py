"""A network on the whole accelerator under cocotb: every tensor against golden."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
from amaranth.back import verilog
from amaranth.lib import wiring

from golden.execute import execute
from golden.qnetwork import QNetwork
from hdl_tests.harness.cases import images_for
from hdl_tests.harness.cosim import simulate_verilog
from vitaccel.compile import compile_network
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.accelerator import Accelerator

__all__ = ["compare_every_tensor"]


def _rtl(accelerator: wiring.Component, name: str) -> str:
    return verilog.convert(accelerator, name=name, emit_src=False)


def compare_every_tensor(
    network: QNetwork,
    config: AcceleratorConfig,
    folder: Path,
    *,
    name: str = "vitaccel",
    convert: Callable[[wiring.Component, str], str] = _rtl,
) -> None:
    """Run one image with all tensors kept.

    Parameters
    ----------
    folder
        Takes the job for the bench.
    convert
        Makes Verilog of the accelerator, as a module of this name.
    """
    tensors = execute(network, images_for(network, 5))
    program = compile_network(network, config, keep=True)
    formats = {layer.name: layer.out for layer in network.layers}
    want = []
    for region in program.outputs:
        expected = region.of(tensors[region.tensor][0].numpy().astype(np.int64))
        want.append((region, formats[region.tensor].signed, expected))
    job = folder / "job.pickle"
    patches = tensors[program.input.tensor][0].numpy().astype(np.int64)
    job.write_bytes(pickle.dumps({"program": program, "patches": patches, "want": want}))
    accelerator = Accelerator(config)
    simulate_verilog(
        convert(accelerator, name),
        accelerator,
        name=name,
        bench="hdl_tests.cosim.tb_accelerator",
        env={"VITACCEL_JOB": str(job)},
    )
