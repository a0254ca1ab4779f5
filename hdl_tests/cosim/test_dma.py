"""LOAD and STORE as Verilog, behind registers and program, against cocotbext-axi's memory."""

from typing import Literal

import pytest

from hdl_tests.harness.cosim import simulate
from hdl_tests.harness.shell_top import ShellTop
from vitaccel.config import AcceleratorConfig

pytestmark = pytest.mark.cosim


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "axi_bytes"), [(8, 8), (4, 4), (12, 8), (3, 16)])
def test_dma(rows: int, axi_bytes: Literal[4, 8, 16]) -> None:
    config = AcceleratorConfig(
        rows=rows, columns=rows, axi_bytes=axi_bytes, activation_words=512, weight_words=128,
        post_words=5, vector_words=12, table_slots=1,
    )  # fmt: skip
    simulate(
        ShellTop(config),
        name=f"shell_{rows}_{axi_bytes}",
        bench="hdl_tests.cosim.tb_dma",
        env={"VITACCEL_CONFIG": config.model_dump_json()},
    )
