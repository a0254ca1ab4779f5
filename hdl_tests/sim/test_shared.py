# amaranth: UnusedElaboratable=no
"""`hw.shared`: equal parts share a module, different ones do not, resets arrive."""

import re

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.shared import Shared
from vitaccel.verilog import verilog_text


class Delay(wiring.Component):
    """Register of ``width`` bits."""

    i: Signal
    o: Signal

    def __init__(self, width: int, reset_less: bool = True) -> None:
        self.width = width
        self.reset_less = reset_less
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal(self.width, reset_less=self.reset_less)
        m.d.sync += held.eq(self.i)
        m.d.comb += self.o.eq(held)
        return m


class Row(wiring.Component):
    """Delays of some widths, one behind the other."""

    i: Signal
    o: Signal
    clear: Signal

    def __init__(self, widths: list[int], reset_less: bool = True, reset: bool = False) -> None:
        self.delays = [Delay(width, reset_less) for width in widths]
        self.with_reset = reset
        super().__init__({"i": In(8), "o": Out(8), "clear": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        passed = self.i
        for n, delay in enumerate(self.delays):
            m.submodules[f"delay_{n}"] = Shared(delay, self.clear if self.with_reset else None)
            m.d.comb += delay.i.eq(passed)
            passed = delay.o
        m.d.comb += self.o.eq(passed)
        return m


def test_equal_parts_share_a_module() -> None:
    text = verilog_text(Row([8, 8, 4, 8]), "row")
    assert re.findall(r"^module (\w+)", text, re.M) == ["row", "row_delay", "row_delay_2"]
    assert re.findall(r"^  (row_delay\w*) ", text, re.M).count("row_delay") == 3


def test_a_given_reset_joins_that_of_the_domain() -> None:
    text = verilog_text(Row([8], reset_less=False, reset=True), "row")
    assert "if (rst)" in text
    assert re.search(r"= rst \| clear|= clear \| rst", text)


def test_a_reset_inside_needs_one_from_outside() -> None:
    with pytest.raises(AssertionError, match="row_delay has a reset"):
        verilog_text(Row([8], reset_less=False), "row")


def test_a_memory_writes_its_own_module() -> None:
    class Top(wiring.Component):
        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.submodules.words = Shared(BlockRam(16, 100, granules=2))
            return m

    text = verilog_text(Top({}), "top")
    assert "module top_block_ram" in text
    assert "reg [16-1:0] words [0:100-1];" in text
