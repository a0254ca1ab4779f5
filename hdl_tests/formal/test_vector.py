# amaranth: UnusedElaboratable=no
"""Streams of VECTOR's parts keep their rules, and credits keep queues from overflowing."""

import pytest
from amaranth import Assert, Assume, Elaboratable, Module, Signal
from amaranth.lib import wiring

from hdl_tests.harness.formal import prove, prove_streams
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.streams.credits import Credits
from vitaccel.hw.streams.row_buffer import RowBuffer
from vitaccel.hw.vector.parts import Join, Split, SplitWrites

pytestmark = pytest.mark.formal

PARTS = AcceleratorConfig(rows=6, columns=6, vector_cycles=3)


@pytest.mark.parametrize(
    ("name", "dut"),
    [
        ("row_buffer", RowBuffer(2, 4)),
        ("split", Split(PARTS)),
        ("join", Join(PARTS)),
        ("split_writes", SplitWrites(PARTS, 3)),
    ],
)
def test_streams_keep_their_rules(name: str, dut: wiring.Component) -> None:
    prove_streams(dut, name=f"streams_{name}")


class NeverMore(Elaboratable):
    """At most ``places`` are taken at a time, and a free one is always offered."""

    def __init__(self, dut: Credits) -> None:
        self.dut = dut

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        taken = Signal(8)
        m.d.sync += taken.eq(taken + dut.take - dut.give)
        m.d.comb += [
            Assume(dut.free | ~dut.take, "takes what is not free"),
            Assume((taken != 0) | ~dut.give, "gives what was not taken"),
            Assert(taken <= dut.places, "too many taken"),
            Assert(dut.free == (taken != dut.places), "wrong answer"),
        ]
        return m


@pytest.mark.parametrize("places", [1, 3, 8])
def test_credits(places: int) -> None:
    dut = Credits(places)
    prove(NeverMore(dut), name=f"credits_{places}", ports=[dut.take, dut.give, dut.free])
