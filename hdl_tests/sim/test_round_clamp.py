"""`hw.primitives.round_clamp`, all numbers within some limits."""

import pytest
from amaranth import Module, Signal, signed
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.round_clamp import TWICE_BITS, RoundClamp, limits

HALF = 1 << TWICE_BITS - 1


@pytest.mark.parametrize(
    ("low", "high", "zero_point"), [(-128, 127, 0), (0, 255, 100), (-8, 7, -128), (5, 5, 3)]
)
def test_every_number(low: int, high: int, zero_point: int) -> None:
    m = Module()
    m.submodules.dut = dut = RoundClamp(coded=True)
    bounds = [Signal(signed(9), name="low"), Signal(signed(9), name="high")]
    zero = Signal(signed(8))
    found = limits(m, bounds[0], bounds[1], zero)
    m.d.comb += [dut.limits.eq(found), dut.ends.eq(delayed(m, found, 1, "ends"))]
    beyond = [(0, 1, negative) for negative in (0, 1)]
    items = [*((n, 0, int(n < 0)) for n in range(-HALF, HALF)), *beyond]
    late = RoundClamp.LATENCY

    async def bench(ctx: TestbenchContext) -> None:
        for signal, value in zip([*bounds, zero], (low, high, zero_point), strict=True):
            ctx.set(signal, value)
        ctx.set(dut.code, 77)
        await ctx.tick().repeat(2)
        for n in range(len(items) + late):
            twice, over, negative = items[min(n, len(items) - 1)]
            ctx.set(dut.twice, twice)
            ctx.set(dut.over, over)
            ctx.set(dut.negative, negative)
            ctx.set(dut.use_code, n % 5 == 0)  # the number before this one
            if n >= late:
                twice, over, negative = items[n - late]
                y = min(max((twice + 1 >> 1) + zero_point, low), high)
                y = (low if negative else high) if over else y
                assert ctx.get(dut.o) == (77 if (n - 1) % 5 == 0 else y % 256), (twice, over)
            await ctx.tick()

    sim = Simulator(m)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(bench)
    sim.run()
