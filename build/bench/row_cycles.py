"""Cycles that softmax or LayerNorm takes for an element, simulated."""

from typing import Any

from amaranth import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from vitaccel.hw.streams.stream import link
from vitaccel.hw.vector.products import Products
from vitaccel.hw.vector.replay import Replay

__all__ = ["cycles_an_element"]

ROWS = 32  # the second half is measured


def cycles_an_element(operator: Any, length: int) -> float:
    """Rows of ``length`` elements enter as fast as they are taken; their values do not matter.

    Parameters
    ----------
    operator
        `Softmax` or `LayerNorm`, with its multipliers and behind its `Replay` as in `Vector`.
    """
    config = operator.config
    n_words = -(-length // config.rows)
    m = Module()
    m.submodules.operator = operator
    m.submodules.replay = replay = Replay(config)
    m.submodules.products = products = Products(config)
    wiring.connect(m, operator.product, products.first)
    link(m, replay.once, operator.i)
    link(m, replay.again, operator.again)
    ends: list[int] = []  # cycles in which the last word of a row came out

    async def drive(ctx: TestbenchContext) -> None:
        taken = given = cycle = 0
        ctx.set(replay.i.valid, 1)
        ctx.set(operator.o.ready, 1)
        while len(ends) < ROWS:
            ctx.set(replay.i.p.last, taken % n_words == n_words - 1)
            _, _, takes, gives = await ctx.tick().sample(replay.i.ready, operator.o.valid)
            taken, given, cycle = taken + takes, given + gives, cycle + 1
            if gives and given % n_words == 0:
                ends.append(cycle)

    simulator = Simulator(m)
    simulator.add_clock(1e-8)
    simulator.add_testbench(drive)
    simulator.run()
    half = ROWS // 2
    return (ends[-1] - ends[-1 - half]) / half / length
