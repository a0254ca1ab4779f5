"""`Sdram` with LiteDRAM's own model of the chip, driven by an AXI master that nobody here wrote."""

import pytest

from boards.catalogue import find_board
from hdl_tests.harness.cosim import OUT, simulate
from vitaccel.config import AcceleratorConfig
from vitaccel.flow.sdram import make_controller
from vitaccel.hw.memory.sdram import Sdram

pytestmark = [pytest.mark.cosim, pytest.mark.slow]
CHIP = find_board("ulx3s-85f").sdram


@pytest.mark.parametrize("bus_bytes", [4, 16])
def test_sdram(bus_bytes: int) -> None:
    config = AcceleratorConfig(axi_bytes=bus_bytes)  # pyright: ignore[reportArgumentType]
    assert CHIP is not None
    controller = make_controller(CHIP, 50e6, OUT / "controllers", simulated=True)
    simulate(
        Sdram(config, controller),
        name=f"sdram{bus_bytes}",
        bench="hdl_tests.cosim.tb_sdram",
        env={"BUS_BYTES": str(bus_bytes), "SIZE": str(CHIP.size)},
        extra=controller.verilog,
    )
