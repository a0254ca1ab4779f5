"""`SdramSetup` writes every register once, in order, with its pauses, however slow the bus is."""

import random

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.hw.memory.sdram_setup import SdramSetup, Step

STEPS = (Step(512, 14, 0), Step(515, 0x400, 7), Step(514, 1, 1), Step((1 << 30) - 1, 1 << 31, 0))


@pytest.mark.parametrize("pause", [0.0, 0.6], ids=["free", "paused"])
def test_every_step_once(pause: float) -> None:
    dut, rng = SdramSetup(STEPS), random.Random(1)
    taken: list[tuple[int, int, int]] = []  # address, data, cycle

    async def bus(ctx: TestbenchContext) -> None:
        offered: tuple[int, int] | None = None
        for cycle in range(100):
            willing = rng.random() >= pause
            ctx.set(dut.acknowledged, ctx.get(dut.request) & willing)
            _, _, request, address, data = await ctx.tick().sample(
                dut.request, dut.address, dut.data
            )
            assert offered in {None, (address, data)}, "an offer is kept"
            assert request or offered is None
            offered = (address, data) if request and not willing else None
            if request and willing:
                taken.append((address, data, cycle))

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(bus)
    sim.run()
    assert [step[:2] for step in taken] == [step[:2] for step in STEPS]
    cycles = [cycle for *_, cycle in taken]
    for step, before, after in zip(STEPS, cycles, cycles[1:], strict=False):
        assert after - before > step.wait
        if not pause:
            assert after - before == step.wait + 2
