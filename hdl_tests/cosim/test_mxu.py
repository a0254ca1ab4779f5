"""Verilog of `hw.mxu.mxu` in Verilator: arrays of real size against numpy."""

import pytest

from hdl_tests.harness.cosim import simulate
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.mxu import Mxu

CONFIGS = {
    "8x16-demo": AcceleratorConfig(
        columns=16, pot_columns=8, log2_attention=True, accumulator_rows=32
    ),
    "6x12-packed": AcceleratorConfig(rows=6, columns=12, weight_bits=4, accumulator_rows=32),
    "4x12-packed-log2": AcceleratorConfig(
        rows=4, columns=12, pot_columns=4, weight_bits=4, log2_attention=True, accumulator_rows=16
    ),
}


@pytest.mark.cosim
@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_verilog(name: str) -> None:
    config = CONFIGS[name]
    simulate(
        Mxu(config),
        name=f"mxu_{name.replace('-', '_')}",
        bench="hdl_tests.cosim.tb_mxu",
        env={"VITACCEL_CONFIG": config.model_dump_json()},
    )
