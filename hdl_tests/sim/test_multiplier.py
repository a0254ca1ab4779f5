"""`hw.primitives.multiplier` and `lut_multiplier`: inferred and of cells, all give the products."""

from typing import Any

import pytest
from amaranth import Shape, signed, unsigned
from amaranth.hdl import ShapeLike
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.ecp5_cells import block, carry_slice, on_ecp5
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.primitives import carry_chain, multiplier
from vitaccel.hw.primitives.lut_multiplier import LutMultiplier, ShortLutMultiplier
from vitaccel.hw.primitives.multiplier import Multiplier, product_shape

SHAPES = [
    (signed(4), signed(5)), (signed(9), signed(18)), (signed(9), signed(8)),
    (signed(18), signed(16)), (unsigned(16), unsigned(16)), (signed(17), unsigned(16)),
]  # fmt: skip


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
        *((LutMultiplier, shapes) for shapes in [*SHAPES, *SMALL]),
        *((on_ecp5(LutMultiplier), shapes) for shapes in SMALL),
        *((ShortLutMultiplier, shapes) for shapes in SMALL),
        *((on_ecp5(ShortLutMultiplier), shapes) for shapes in SMALL),
    ],
    ids=str,
)
def test_luts(kind: Any, shapes: tuple[Shape, Shape], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry_chain, "Instance", carry_slice)
    pairs = [(a, b) for a in operands(shapes[0]) for b in operands(shapes[1])]
    check(kind(*shapes), kind.LATENCY, pairs)


@pytest.mark.parametrize(("a", "b"), [(signed(4), signed(3)), (unsigned(3), signed(4))], ids=str)
def test_every_product(a: Shape, b: Shape) -> None:
    values = [
        range(-(1 << s.width - 1), 1 << s.width - 1) if s.signed else range(1 << s.width)
        for s in (a, b)
    ]
    pairs = [(x, y) for x in values[0] for y in values[1]]
    check(LutMultiplier(a, b), LutMultiplier.LATENCY, pairs)
    assert product_shape(a, b) == signed(7)
