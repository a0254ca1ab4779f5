"""The proof of the stream rules itself: it accepts what keeps them and refuses what breaks one."""

from typing import Any

import pytest
from amaranth import Module, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl_tests.harness.formal import prove_streams

pytestmark = pytest.mark.formal


class Stage(wiring.Component):
    """A pipeline register, right or with one fault."""

    i: stream.Interface
    o: Any

    def __init__(self, fault: str) -> None:
        self.fault = fault
        layout = data.StructLayout({"x": unsigned(4), "y": unsigned(4)})
        port = wiring.Signature({"data": Out(stream.Signature(layout)), "count": In(4)})
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(port)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        out = self.o.data
        m.d.comb += self.i.ready.eq(out.ready)
        if self.fault == "waits":
            m.d.comb += [out.valid.eq(self.i.valid & out.ready), out.payload.eq(self.i.payload)]
            return m
        with m.If(~out.valid | out.ready):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [out.payload.eq(self.i.payload), out.valid.eq(self.i.valid)]
        if self.fault == "drops":
            with m.Elif(self.o.count == 3):
                m.d.sync += out.valid.eq(0)
        elif self.fault == "changes":
            m.d.sync += out.payload.x.eq(self.i.payload.x)
        return m


def test_a_right_stage_is_proven() -> None:
    prove_streams(Stage(""), name="stage")


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("drops", "proof did fail"),
        ("changes", "proof did fail"),
        ("waits", "selection is not empty"),
    ],
)
def test_proof_refuses_a_stage_that(fault: str, why: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=rf"(?s)not proven.*{why}"):
        prove_streams(Stage(fault), name=f"stage_{fault}")
