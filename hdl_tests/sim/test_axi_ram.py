"""`AxiRam`: what was written comes back, beat by beat, whoever pauses; nothing outside answers."""

import random

import pytest
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.axi_master import Master, simulate
from vitaccel.hw.axi.axi import OKAY, PAGE_BYTES, SLVERR
from vitaccel.hw.memory.axi_ram import AxiRam
from vitaccel.presets import PRESETS

CONFIG = PRESETS["tiny"]
BUS = CONFIG.axi_bytes
SIZE = 3 * PAGE_BYTES  # no power of two: the last quarter of the addresses is outside


def store(model: dict[int, int], address: int, beats: list[tuple[int, int]]) -> None:
    """Put the bytes of ``(data, strobe)`` beats into ``model``."""
    lanes = [(word >> 8 * n & 255, strobe >> n & 1) for word, strobe in beats for n in range(BUS)]
    model.update({address + n: byte for n, (byte, written) in enumerate(lanes) if written})


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_reads_what_was_written(seed: int, pause: float) -> None:
    """Reader and writer work at once, on pages that they swap after each round."""
    dut = AxiRam(CONFIG, SIZE)
    writer, reader = (Master(dut, pause, seed + n) for n in (0, 10))
    rng = random.Random(seed)
    model: dict[int, int] = {}
    rounds = [rng.sample(range(0, SIZE - 32 * BUS, 32 * BUS), 6) for _ in range(4)]
    n_written = [0]

    async def write(ctx: TestbenchContext) -> None:
        for starts in rounds:
            for start in starts:
                beats = [
                    (rng.getrandbits(8 * BUS), rng.choice([0, 15, 15, rng.getrandbits(BUS)]))
                    for _ in range(rng.choice([1, 2, 32]))
                ]
                assert await writer.write(ctx, start, beats) == [start >> 2 & 1, OKAY]
                store(model, start, beats)
            n_written[0] += 1

    async def read(ctx: TestbenchContext) -> None:
        for n, starts in enumerate(rounds):
            while n_written[0] <= n:
                await ctx.tick()
            for start in starts:
                if any(start in later for later in rounds[n + 1 :]):
                    continue  # the writer may be there again
                beats = await reader.read(ctx, start, 32)
                for i, (word, response, last, identity) in enumerate(beats):
                    address = start + i * BUS
                    want = sum(model.get(address + k, 0) << 8 * k for k in range(BUS))
                    assert (word, response) == (want, OKAY)
                    assert (last, identity) == (i == 31, start >> 2 & 1)

    simulate(dut, write, read)


def test_nothing_is_outside() -> None:
    """Refused, and no word inside has changed; the last word still answers."""
    dut = AxiRam(CONFIG, SIZE)
    master = Master(dut, 0.0, 0)

    async def bench(ctx: TestbenchContext) -> None:
        last = SIZE - BUS
        assert await master.write(ctx, last, [(0x12345678, 15)]) == [1, OKAY]
        for outside in (SIZE, SIZE + last, 1 << 31):
            assert (await master.write(ctx, outside, [(0xFFFFFFFF, 15)]))[1] == SLVERR
            assert (await master.read(ctx, outside, 1))[0][:2] == [0, SLVERR]
        assert (await master.read(ctx, last, 1))[0][:2] == [0x12345678, OKAY]
        assert (await master.read(ctx, SIZE - 4096, 1))[0][:2] == [0, OKAY]
        assert (await master.read(ctx, 0, 1))[0][:2] == [0, OKAY]

    simulate(dut, bench)


def test_a_beat_per_cycle() -> None:
    """First beat `READ_LATENCY` cycles after the address, then one in every cycle."""
    dut = AxiRam(CONFIG, SIZE)

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.arlen, 31)
        ctx.set(dut.rready, 1)
        ctx.set(dut.arvalid, 1)
        await ctx.tick()
        ctx.set(dut.arvalid, 0)
        offered = [(await ctx.tick().sample(dut.rvalid))[2] for _ in range(40)]
        assert offered == [0] * (dut.READ_LATENCY - 1) + [1] * 32 + [0] * (9 - dut.READ_LATENCY)

    simulate(dut, bench)


def test_one_write_at_a_time() -> None:
    """Data waits for its address, the next address for the answer to this one."""
    dut = AxiRam(CONFIG, SIZE)

    async def bench(ctx: TestbenchContext) -> None:
        ready = (dut.awready, dut.wready, dut.bvalid)
        ctx.set(dut.wvalid, 1)
        ctx.set(dut.wlast, 1)
        assert (await ctx.tick().sample(*ready))[2:] == (1, 0, 0)
        ctx.set(dut.awvalid, 1)
        assert (await ctx.tick().sample(*ready))[2:] == (1, 0, 0)
        assert (await ctx.tick().sample(*ready))[2:] == (0, 1, 0)
        for _ in range(3):
            assert (await ctx.tick().sample(*ready))[2:] == (0, 0, 1)
        ctx.set(dut.bready, 1)
        assert (await ctx.tick().sample(*ready))[2:] == (0, 0, 1)
        assert (await ctx.tick().sample(*ready))[2:] == (1, 0, 0)

    simulate(dut, bench)
