"""`hw.primitives.multiplier`: inferred logic and the ECP5 cell give the same products."""

from typing import Any

import pytest
from amaranth import Cat, Module, Signal, signed
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.primitives import multiplier
from vitaccel.hw.primitives.multiplier import Multiplier


def cell(kind: str, **ports: Any) -> Module:
    """MULT18X18D as FPGA-TN-02205 describes it; Yosys has it only as a black box."""
    assert kind == "MULT18X18D"
    assert (ports["i_CE0"], ports["i_RST0"], ports["i_SIGNEDA"], ports["i_SIGNEDB"]) == (1, 0, 1, 1)
    assert (ports["i_SOURCEA"], ports["i_SOURCEB"]) == (0, 0)
    m = Module()
    values = []
    for name in "AB":
        value = Cat(ports[f"i_{name}{bit}"] for bit in range(18)).as_signed()
        if ports.get(f"p_REG_INPUT{name}_CLK", "NONE") != "NONE":
            m.d.sync += (register := Signal(signed(18))).eq(value)
            value = register
        values.append(value)
    product = values[0] * values[1]
    if ports.get("p_REG_OUTPUT_CLK", "NONE") != "NONE":
        m.d.sync += (register := Signal(signed(36))).eq(product)
        product = register
    m.d.comb += [wire.eq(product[int(n[3:])]) for n, wire in ports.items() if n.startswith("o_P")]
    return m


class OnEcp5(Multiplier):
    def elaborate(self, platform: object) -> Module:
        return super().elaborate("ecp5")


@pytest.mark.parametrize("kind", [Multiplier, OnEcp5])
@pytest.mark.parametrize("widths", [(4, 5), (9, 18), (9, 8), (18, 18)], ids=str)
def test_products(
    kind: type[Multiplier], widths: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiplier, "Instance", cell)
    dut = kind(*widths)
    operands = [
        sorted({*range(-half, half, max(1, half // 10)), -1, 0, 1, half - 1})
        for half in (2 ** (width - 1) for width in widths)
    ]
    pairs = [(a, b) for a in operands[0] for b in operands[1]]
    got: list[int] = []

    async def feed(ctx: TestbenchContext) -> None:
        for a, b in pairs + [(0, 0)] * Multiplier.LATENCY:
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            *_, p = await ctx.tick().sample(dut.p)
            got.append(p)

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(feed)
    sim.run()
    assert got[Multiplier.LATENCY :] == [a * b for a, b in pairs]
