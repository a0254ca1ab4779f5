"""The board's end of the host link between bus models that nobody here wrote."""

import pytest

from hdl_tests.harness.cosim import simulate
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.link.bridge import Bridge

pytestmark = pytest.mark.cosim
MEMORY_BYTES, TIMEOUT = 5000 * 8, 400


@pytest.mark.parametrize("bus_bytes", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_link(bus_bytes: int) -> None:
    config = AcceleratorConfig(axi_bytes=bus_bytes)  # pyright: ignore[reportArgumentType]
    simulate(
        Bridge(config, MEMORY_BYTES, timeout=TIMEOUT),
        name=f"bridge{bus_bytes}",
        bench="hdl_tests.cosim.tb_link",
        env={"MEMORY_BYTES": str(MEMORY_BYTES), "TIMEOUT": str(TIMEOUT)},
    )
