"""The AXI engines keep the handshake rules whatever ``drain`` and their clients do."""

import pytest
from amaranth import Assert, Assume, Cat, Elaboratable, Module, Signal, Value

from hdl_tests.harness.formal import prove
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi_read import AxiRead
from vitaccel.hw.axi.axi_write import AxiWrite

pytestmark = pytest.mark.formal
CONFIG = AcceleratorConfig(axi_bytes=4)


class Handshakes(Elaboratable):
    """An offered address or beat stays as it is until taken; the memory keeps to its side."""

    def __init__(self, dut: AxiRead | AxiWrite, offers: dict[str, str], answers: str) -> None:
        self.dut, self.offers, self.answers = dut, offers, answers

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = self.dut
        for channel, fields in self.offers.items():
            valid, ready = (getattr(self.dut, f"{channel}{end}") for end in ("valid", "ready"))
            payload = Cat(getattr(self.dut, f"{channel}{field}") for field in fields.split())
            waiting = Signal(name=f"{channel}_waiting")
            before = Signal(len(payload), name=f"{channel}_before")
            m.d.sync += [waiting.eq(valid & ~ready), before.eq(payload)]
            with m.If(waiting):
                m.d.comb += Assert(valid, f"{channel}valid fell")
                m.d.comb += Assert(payload == before, f"{channel} changed")
        valid, ready = (getattr(self.dut, f"{self.answers}{end}") for end in ("valid", "ready"))
        pending = Signal()
        m.d.sync += pending.eq(valid & ~ready)
        m.d.comb += Assume(valid | ~pending, "answer withdrawn")
        return m


@pytest.mark.parametrize(
    ("dut", "offers", "answers"),
    [
        (AxiRead(CONFIG), {"ar": "id addr len size burst"}, "r"),
        (AxiWrite(CONFIG), {"aw": "id addr len size burst", "w": "data strb last"}, "b"),
    ],
    ids=["read", "write"],
)
def test_handshakes(dut: AxiRead | AxiWrite, offers: dict[str, str], answers: str) -> None:
    ports = [Value.cast(value) for _, _, value in dut.signature.flatten(dut)]
    name = type(dut).__name__.lower()
    prove(Handshakes(dut, offers, answers), name=name, ports=ports)
