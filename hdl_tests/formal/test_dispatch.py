"""A dispatcher keeps its offers, and takes and gives only tokens that there are."""

import pytest
from amaranth import Assert, Assume, Elaboratable, Module, Signal, Value, unsigned

from hdl_tests.harness.formal import prove, prove_streams
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.shell.dispatch import Dispatch

pytestmark = pytest.mark.formal
CONFIG = AcceleratorConfig(queue_depth=2)


class Tokens(Elaboratable):
    """What `Semaphores` assumes of its users, and grants them."""

    def __init__(self, dut: Dispatch) -> None:
        self.dut = dut

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        left = Signal.like(dut.has)  # nobody else takes this unit's tokens
        m.d.sync += left.eq(dut.has & ~dut.take)
        m.d.comb += [
            Assume((left & ~dut.has) == 0, "token vanished"),
            Assert((dut.take & ~dut.has) == 0, "took a token that is not there"),
            Assert((dut.give & ~dut.room) == 0, "gave a token that has no room"),
            Assert((dut.take == 0) | dut.enable, "started while disabled"),
        ]
        return m


def test_offers() -> None:
    prove_streams(Dispatch(CONFIG, unsigned(2)), name="dispatch")


def test_tokens() -> None:
    dut = Dispatch(CONFIG, unsigned(2))
    ports = [Value.cast(value) for _, _, value in dut.signature.flatten(dut)]
    prove(Tokens(dut), name="dispatch_tokens", ports=ports)
