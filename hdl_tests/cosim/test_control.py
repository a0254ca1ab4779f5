"""Registers, sequencer and failures of the shell as Verilog, in Verilator."""

import pytest

from hdl_tests.harness.cosim import simulate
from hdl_tests.harness.shell_top import ShellTop
from vitaccel.config import AcceleratorConfig

pytestmark = pytest.mark.cosim


@pytest.mark.slow
def test_control() -> None:
    config = AcceleratorConfig(  # one of those of test_dma: the model is built once
        activation_words=512, weight_words=128, post_words=5, vector_words=12, table_slots=1
    )
    simulate(
        ShellTop(config),
        name="shell_8_8",
        bench="hdl_tests.cosim.tb_control",
        env={"VITACCEL_CONFIG": config.model_dump_json()},
    )
