"""SLIP in gateware against sliplib, and the timeout."""

import random
from typing import Any

import pytest
import sliplib
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD, run_stream
from vitaccel.hw.link.slip import Deframer, Framer

TIMEOUT = 200
SPECIAL = b"\xc0\xdb\xdc\xdd"


def frames(seed: int) -> list[bytes]:
    rng = random.Random(seed)
    return [
        bytes(rng.choice(SPECIAL) if rng.random() < 0.4 else b for b in rng.randbytes(n))
        for n in (1, 1, 2, 3, 5, 20, 60)
    ]


def packed(sent: list[bytes]) -> bytes:
    return b"".join(sliplib.END + sliplib.encode(frame) + sliplib.END for frame in sent)


def read(token: Any) -> int | str:
    return ("broken" if token.broken else "end") if token.end else token.byte


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_frames_are_packed(seed: int, pause: float) -> None:
    sent = frames(seed)
    tokens = [
        {"byte": byte, "last": n == len(frame) - 1}
        for frame in sent
        for n, byte in enumerate(frame)
    ]
    want, dut = packed(sent), Framer()
    assert (
        bytes(run_stream(dut, tokens, len(want), i=dut.i, o=dut.o, pause=pause, seed=seed)) == want
    )


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_frames_are_found(seed: int, pause: float) -> None:
    sent = frames(seed)
    want: list[int | str] = []
    for frame in sent:
        want += [*frame, "end"]
    dut = Deframer(TIMEOUT)
    got = run_stream(dut, packed(sent), len(want), i=dut.i, o=dut.o, pause=pause, seed=seed)
    assert [read(token) for token in got] == want


@pytest.mark.parametrize("line", [b"a\xdbb\xc0", b"a\xdb\xdb\xc0", b"a\xdb\xc0", b"\xdb\xc0"])
def test_bad_escapes_break_the_frame_and_no_other(line: bytes) -> None:
    dut = Deframer(TIMEOUT)
    n_bytes = len(line) - 1 - line.count(b"\xdb") + line.count(b"\xdb\xdb")
    got = run_stream(dut, line + b"\xc0z\xc0", n_bytes + 3, i=dut.i, o=dut.o)
    tokens = [read(token) for token in got]
    assert tokens[n_bytes:] == ["broken", ord("z"), "end"]
    assert all(isinstance(token, int) for token in tokens[:n_bytes])


def test_a_byte_that_comes_while_the_timeout_waits_is_not_lost() -> None:
    dut, got = Deframer(10), []

    async def drive(ctx: TestbenchContext) -> None:
        ctx.set(dut.i.payload, 0x61)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.o.ready, 0)
        await ctx.tick().repeat(9)
        assert not ctx.get(dut.o.valid)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.o.valid)
        ctx.set(dut.i.payload, 0x62)
        ctx.set(dut.i.valid, 1)
        await ctx.tick().repeat(3)
        ctx.set(dut.o.ready, 1)
        taken = 0
        while not taken:
            _, _, taken = await ctx.tick().sample(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(2)

    async def watch(ctx: TestbenchContext) -> None:
        while True:
            _, _, valid, ready, token = await ctx.tick().sample(
                dut.o.valid, dut.o.ready, dut.o.payload
            )
            if valid and ready:
                got.append(read(token))

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(drive)
    sim.add_testbench(watch, background=True)
    sim.run()
    assert got == [0x61, "broken", 0x62]
