"""`Access` and a memory that answers late or never: it fails in time, and nothing is mixed up."""

import pytest
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.axi_master import simulate
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import OKAY, SLVERR
from vitaccel.hw.link.access import Access

PATIENCE = 20


async def ask(ctx: TestbenchContext, dut: Access, **request: int) -> None:
    for name in ("address", "register", "write"):
        ctx.set(getattr(dut, name), request.get(name, 0))
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    for name in ("data", "strobe"):
        ctx.set(getattr(dut, name), request.get(name, 0))


async def answer(ctx: TestbenchContext, dut: Access) -> tuple[int, int, int]:
    """Cycles until ``done``, ``failed`` and ``found`` then."""
    for cycles in range(3 * PATIENCE):
        _, _, done, failed, found = await ctx.tick().sample(dut.done, dut.failed, dut.found)
        if done:
            return cycles, failed, found
    raise AssertionError("no answer")


async def respond(ctx: TestbenchContext, dut: Access, channel: str, **fields: int) -> int:
    """One beat of the memory's or the registers' answers; was it taken for the answer?"""
    for name, value in {"valid": 1, **fields}.items():
        ctx.set(getattr(dut, channel + name), value)
    _, _, done = await ctx.tick().sample(dut.done)
    ctx.set(getattr(dut, f"{channel}valid"), 0)
    return done


@pytest.mark.parametrize("taken", [False, True], ids=["address waits", "address taken"])
def test_a_read_that_is_not_answered(taken: bool) -> None:
    """It fails in time, so does every other one until the old answer has come."""
    dut = Access(AcceleratorConfig(axi_bytes=4), PATIENCE)

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.memory_arready, taken)
        await ask(ctx, dut, address=0x1234)
        assert await answer(ctx, dut) == (PATIENCE - 1, 1, 0)
        await ask(ctx, dut, address=0x5678, write=1, data=7, strobe=15)
        assert (await answer(ctx, dut))[:2] == (0, 1)
        assert not ctx.get(dut.memory_awvalid | dut.memory_wvalid)

        await ask(ctx, dut, address=8, register=1)
        assert ctx.get(dut.control_arvalid)
        assert await respond(ctx, dut, "control_r", data=99, resp=OKAY)

        offered = (ctx.get(dut.memory_arvalid), ctx.get(dut.memory_araddr))
        assert offered == (not taken, 0x1234)
        ctx.set(dut.memory_arready, 1)
        await ctx.tick()
        assert not ctx.get(dut.memory_arvalid)
        assert not await respond(ctx, dut, "memory_r", data=1, resp=SLVERR)

        await ask(ctx, dut, address=0x5678)
        await ctx.tick()
        assert await respond(ctx, dut, "memory_r", data=2, resp=OKAY)

    simulate(dut, bench)


def test_a_write_that_is_taken_late_is_what_was_asked() -> None:
    dut = Access(AcceleratorConfig(axi_bytes=4), PATIENCE)

    async def bench(ctx: TestbenchContext) -> None:
        await ask(ctx, dut, address=0x100, write=1, data=0xABCD, strobe=3)
        assert (await answer(ctx, dut))[:2] == (PATIENCE - 1, 1)
        await ask(ctx, dut, address=0x200, write=1, data=0xFFFF, strobe=15)
        assert (await answer(ctx, dut))[:2] == (0, 1)
        await ask(ctx, dut, address=4, register=1, write=1, data=5, strobe=15)
        assert ctx.get(dut.control_wdata) == 5
        ports = (dut.memory_awvalid, dut.memory_awaddr, dut.memory_wvalid)
        more = (dut.memory_wdata, dut.memory_wstrb)
        assert [ctx.get(port) for port in (*ports, *more)] == [1, 0x100, 1, 0xABCD, 3]
        assert await respond(ctx, dut, "control_b", resp=OKAY)
        ctx.set(dut.memory_awready, 1)
        ctx.set(dut.memory_wready, 1)
        await ctx.tick()
        assert not await respond(ctx, dut, "memory_b", resp=OKAY)
        await ask(ctx, dut, address=0x200, write=1, data=0xFFFF, strobe=15)
        await ctx.tick()
        assert await respond(ctx, dut, "memory_b", resp=OKAY)

    simulate(dut, bench)


def test_an_answer_in_the_last_cycle_counts() -> None:
    dut = Access(AcceleratorConfig(axi_bytes=4), PATIENCE)

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.memory_arready, 1)
        await ask(ctx, dut, address=0x40)
        for _ in range(PATIENCE - 1):
            assert not (await ctx.tick().sample(dut.done))[2]
        ctx.set(dut.memory_rdata, 77)
        ctx.set(dut.memory_rvalid, 1)
        assert await answer(ctx, dut) == (0, 0, 77)
        ctx.set(dut.memory_rvalid, 0)
        await ask(ctx, dut, address=0x44)
        assert (await answer(ctx, dut))[:2] == (PATIENCE - 1, 1)

    simulate(dut, bench)
