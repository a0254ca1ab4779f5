"""The simulated memory, and the rate at which LOAD and STORE use it."""

import json
from dataclasses import asdict

import pytest

from hdl_tests.harness.cosim import simulate
from hdl_tests.harness.shell_top import MemoryTop
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi_memory import RAM_VERILOG, MemoryTiming

pytestmark = pytest.mark.cosim
SIZE = 1 << 16


@pytest.mark.slow
def test_axi_memory() -> None:
    config = AcceleratorConfig(activation_words=1024, weight_words=64, post_words=4, vector_words=4)
    timing = MemoryTiming(refresh_every=512, refresh_cycles=20)
    simulate(
        MemoryTop(config, SIZE, timing),
        name="memory_top",
        bench="hdl_tests.cosim.tb_axi_memory",
        env={
            "VITACCEL_CONFIG": config.model_dump_json(),
            "SIZE": str(SIZE),
            "TIMING": json.dumps(asdict(timing)),
        },
        extra=RAM_VERILOG,
    )
