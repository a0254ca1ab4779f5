"""Netlists after synthesis go through the benches of the RTL, bit by bit the same.

Cell models: Yosys' for iCE40 and ECP5, those of `harness.ecp5_blocks` for blocks without one.
"""

import pytest
from amaranth.lib import wiring

from hdl_tests.harness.cosim import simulate_verilog
from hdl_tests.harness.netlist import netlist
from hdl_tests.harness.vector_rows import Alone
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.mxu import Mxu
from vitaccel.hw.vector.layernorm import LayerNorm
from vitaccel.hw.vector.softmax import Softmax

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

MIXED = AcceleratorConfig(
    rows=2, columns=4, pot_columns=2, log2_attention=True, accumulator_rows=16
)
PACKED = AcceleratorConfig(rows=2, columns=4, weight_bits=4, accumulator_rows=16)
ROWS = AcceleratorConfig(rows=3, columns=3, row_words=32, vector_words=32)
ROWS_BENCH = "hdl_tests.cosim.tb_vector_rows"
UNITS: dict[str, tuple[wiring.Component, AcceleratorConfig, str, dict[str, str]]] = {
    "mxu_mixed": (Mxu(MIXED), MIXED, "hdl_tests.cosim.tb_mxu", {}),
    "mxu_packed": (Mxu(PACKED), PACKED, "hdl_tests.cosim.tb_mxu", {}),
    "softmax": (Alone(Softmax(ROWS)), ROWS, ROWS_BENCH, {"VITACCEL_OP": "SOFTMAX"}),
    "layernorm": (Alone(LayerNorm(ROWS)), ROWS, ROWS_BENCH, {"VITACCEL_OP": "NORM"}),
}


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
@pytest.mark.parametrize("unit", UNITS)
def test_same_as_rtl(unit: str, family: str) -> None:
    component, config, bench, env = UNITS[unit]
    name = f"{unit}_{family}"
    text = netlist(component, name, family)
    env = env | {"VITACCEL_CONFIG": config.model_dump_json()}
    simulate_verilog(text, component, name=name, bench=bench, env=env)
