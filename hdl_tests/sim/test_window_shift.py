"""`hw.primitives.window_shift`, all values and distances."""

import pytest
from amaranth import Module, Signal
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.primitives.window_shift import WindowShift, distance


@pytest.mark.parametrize(
    ("in_width", "shift_width", "width"), [(10, 3, 4), (7, 4, 3), (4, 3, 4)], ids=str
)
def test_every_value(in_width: int, shift_width: int, width: int) -> None:
    m = Module()
    m.submodules.dut = dut = WindowShift(in_width, shift_width, width)
    shift = Signal(shift_width)
    parts = distance(m, shift)
    m.d.comb += [dut.coarse.eq(parts.coarse), dut.fine.eq(parts.fine), dut.near.eq(parts.near)]
    half, bound = 1 << in_width - 1, 1 << width - 1
    items = [(v, s) for v in range(-half, half) for s in range(1 << shift_width)]
    late = WindowShift.LATENCY

    async def bench(ctx: TestbenchContext) -> None:
        for n in range(len(items) + late):
            if n < len(items):
                ctx.set(dut.i, items[n][0])
                ctx.set(shift, items[n][1])
            if n >= late:
                value, by = items[n - late]
                over = not -bound <= value >> by < bound
                found = ctx.get(dut.over), ctx.get(dut.negative)
                assert found == (over, value < 0), (value, by)
                assert over or ctx.get(dut.o) == value >> by, (value, by)
            await ctx.tick()

    sim = Simulator(m)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(bench)
    sim.run()
