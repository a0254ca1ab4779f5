"""`hw.vector.softmax` as Verilog, in Verilator, with golden vectors."""

import pytest

from hdl_tests.harness.cosim import simulate
from hdl_tests.harness.vector_rows import Alone
from vitaccel.hw.vector.softmax import Softmax
from vitaccel.presets import PRESETS

pytestmark = [pytest.mark.cosim, pytest.mark.slow]


@pytest.mark.parametrize("preset", ["demo"])
def test_matches_golden(preset: str) -> None:
    config = PRESETS[preset]
    simulate(
        Alone(Softmax(config)),
        name=f"softmax_{preset}",
        bench="hdl_tests.cosim.tb_vector_rows",
        env={"VITACCEL_CONFIG": config.model_dump_json(), "VITACCEL_OP": "SOFTMAX"},
    )
