"""`hw.vector.layernorm` as Verilog, in Verilator, with golden vectors."""

import pytest

from hdl_tests.harness.cosim import simulate
from hdl_tests.harness.vector_rows import Alone
from vitaccel.hw.vector.layernorm import LayerNorm
from vitaccel.presets import PRESETS

pytestmark = [pytest.mark.cosim, pytest.mark.slow]


@pytest.mark.parametrize("preset", ["demo"])
def test_matches_golden(preset: str) -> None:
    config = PRESETS[preset]
    simulate(
        Alone(LayerNorm(config)),
        name=f"layernorm_{preset}",
        bench="hdl_tests.cosim.tb_vector_rows",
        env={"VITACCEL_CONFIG": config.model_dump_json(), "VITACCEL_OP": "NORM"},
    )
