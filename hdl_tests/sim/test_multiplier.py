"""`hw.primitives.multiplier` and `lut_multiplier`: inferred and of cells, all give the products."""

from typing import Any

import pytest
from amaranth import Array, Cat, Module, Shape, Signal, signed, unsigned
from amaranth.hdl import ShapeLike
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.primitives import lut_multiplier, multiplier
from vitaccel.hw.primitives.lut_multiplier import LutMultiplier
from vitaccel.hw.primitives.multiplier import Multiplier, product_shape

SHAPES = [
    (signed(4), signed(5)), (signed(9), signed(18)), (signed(9), signed(8)),
    (signed(18), signed(16)), (unsigned(16), unsigned(16)), (signed(17), unsigned(16)),
]  # fmt: skip


def block(kind: str, **ports: Any) -> Module:
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


def carry_slice(kind: str, **ports: Any) -> Module:
    """CCU2C as in the ECP5 library of Yosys: a LUT of four inputs, and one of its first two."""
    assert kind == "CCU2C"
    m = Module()
    carry = ports["i_CIN"]
    for half in range(2):
        assert ports[f"p_INJECT1_{half}"] == "NO"
        inputs = Cat(ports[f"i_{name}{half}"] for name in "ABCD")
        bits = [ports[f"p_INIT{half}"] >> n & 1 for n in range(16)]
        propagate = Array(bits)[inputs]
        generate = Array(bits[:4])[inputs[:2]]
        m.d.comb += ports[f"o_S{half}"].eq(propagate ^ carry)
        carry = (propagate & carry) | (~propagate & generate)
    m.d.comb += ports["o_COUT"].eq(carry)
    return m


def on_ecp5(kind: Any) -> Any:
    class OnEcp5(kind):
        def elaborate(self, platform: object) -> Module:
            return super().elaborate("ecp5")

    return OnEcp5


def operands(shape: ShapeLike) -> list[int]:
    shape = Shape.cast(shape)
    least = -(1 << shape.width - 1) if shape.signed else 0
    past = least + (1 << shape.width)
    step = max(1, (past - least) // 9)
    return sorted({*range(least, past, step), least, 0, 1, past - 1, *([-1] if least else [])})


def check(dut: Any, latency: int, pairs: list[tuple[int, int]]) -> None:
    got: list[int] = []

    async def feed(ctx: TestbenchContext) -> None:
        for a, b in pairs + [(0, 0)] * latency:
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            *_, p = await ctx.tick().sample(dut.p)
            got.append(p)

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(feed)
    sim.run()
    assert got[latency:] == [a * b for a, b in pairs]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("kind", [Multiplier, on_ecp5(Multiplier)], ids=["inferred", "cell"])
def test_blocks(kind: Any, shapes: tuple[Shape, Shape], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiplier, "Instance", block)
    pairs = [(a, b) for a in operands(shapes[0]) for b in operands(shapes[1])]
    check(kind(*shapes), Multiplier.LATENCY, pairs)


SMALL = [
    (signed(9), signed(8)), (unsigned(3), unsigned(1)), (signed(3), signed(2)),
    (signed(5), unsigned(3)), (unsigned(4), signed(7)), (signed(7), unsigned(6)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        *((LutMultiplier, (a, b)) for a, b in [*SHAPES, *SMALL] if b.width <= 16),
        *((on_ecp5(LutMultiplier), shapes) for shapes in SMALL),
    ],
    ids=str,
)
def test_luts(kind: Any, shapes: tuple[Shape, Shape], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lut_multiplier, "Instance", carry_slice)
    pairs = [(a, b) for a in operands(shapes[0]) for b in operands(shapes[1])]
    check(kind(*shapes), LutMultiplier.LATENCY, pairs)


@pytest.mark.parametrize(("a", "b"), [(signed(4), signed(3)), (unsigned(3), signed(4))], ids=str)
def test_every_product(a: Shape, b: Shape) -> None:
    values = [
        range(-(1 << s.width - 1), 1 << s.width - 1) if s.signed else range(1 << s.width)
        for s in (a, b)
    ]
    pairs = [(x, y) for x in values[0] for y in values[1]]
    check(LutMultiplier(a, b), LutMultiplier.LATENCY, pairs)
    assert product_shape(a, b) == signed(7)
