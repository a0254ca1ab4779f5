"""The host link keeps the stream rules whatever comes and however slow the buses are."""

import pytest
from amaranth.lib import wiring

from hdl_tests.harness.formal import prove_streams
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.link.frame_queue import FrameQueue
from vitaccel.hw.link.requests import Requests
from vitaccel.hw.link.seal import Seal
from vitaccel.hw.link.slip import Deframer, Framer
from vitaccel.hw.link.uart import Uart

pytestmark = pytest.mark.formal
CONFIG = AcceleratorConfig(axi_bytes=4)


@pytest.mark.parametrize(
    "dut",
    [
        Deframer(4),
        Framer(),
        Seal(),
        FrameQueue(8),
        Requests(CONFIG, 1 << 13, 512),
        Uart(4),
    ],
    ids=lambda dut: type(dut).__name__.lower(),
)
def test_offers_are_kept(dut: wiring.Component) -> None:
    prove_streams(dut, name=f"link_{type(dut).__name__.lower()}")
