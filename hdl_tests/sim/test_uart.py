"""The serial line against bits made and read here."""

import random
import re

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.errors import ConfigError
from vitaccel.hw.link.uart import Uart, divisor

BYTES = [0x00, 0xFF, 0x55, 0xAA, 0xC0, *random.Random(1).randbytes(10)]


def received(uart: Uart, line: list[tuple[int, float]], ready: bool = True) -> list[int]:
    """Bytes that ``uart`` makes of levels, each for so many cycles; not ready: the ones kept."""
    got: list[int] = []

    async def drive(ctx: TestbenchContext) -> None:
        for level, cycles in line:
            ctx.set(uart.rx, level)
            await ctx.delay(cycles * CLOCK_PERIOD)
        await ctx.delay(20 * uart.divisor * CLOCK_PERIOD)
        if not ready:
            got.append(ctx.get(uart.received.payload))

    async def listen(ctx: TestbenchContext) -> None:
        ctx.set(uart.received.ready, ready)
        while True:
            _, _, valid, byte = await ctx.tick().sample(uart.received.valid, uart.received.payload)
            if valid and ready:
                got.append(byte)

    sim = Simulator(uart)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(drive)
    sim.add_testbench(listen, background=True)
    sim.run()
    return got


def levels(data: list[int], cycles: float, stop: int = 1) -> list[tuple[int, float]]:
    bits = [(0, *(byte >> n & 1 for n in range(8)), stop) for byte in data]
    return [(bit, cycles) for byte in bits for bit in byte]


@pytest.mark.parametrize("cycles", [4, 5, 33])
@pytest.mark.parametrize("error", [-0.02, 0.0, 0.02])
def test_bytes_are_received_back_to_back(cycles: int, error: float) -> None:
    """Also from a clock that is a little off."""
    line = [(1, 30.3), *levels(BYTES, cycles * (1 + error)), (1, cycles)]
    assert received(Uart(cycles), line) == BYTES


def test_noise_is_no_byte() -> None:
    """A spike, a line that stays low, a byte without a stop bit; then all is well again."""
    uart = Uart(8)
    for noise in (
        [(0, 3)],
        [(0, 500)],
        [*levels([0x55], 8, stop=0), (1, 8)],
    ):
        line = [(1, 50), *noise, (1, 100), *levels([0x31], 8), (1, 8)]
        assert received(uart, line) == [0x31]


def test_a_byte_that_is_not_taken_stays() -> None:
    line = [(1, 50), *levels([0x31, 0x32], 8), (1, 8)]
    assert received(Uart(8), line, ready=False) == [0x31]


@pytest.mark.parametrize("cycles", [4, 5, 33])
def test_bytes_are_sent_bit_by_bit(cycles: int) -> None:
    uart, seen = Uart(cycles), []

    async def push(ctx: TestbenchContext) -> None:
        for byte in BYTES:
            ctx.set(uart.sent.payload, byte)
            ctx.set(uart.sent.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(uart.sent.ready)
        ctx.set(uart.sent.valid, 0)
        await ctx.tick().repeat(11 * cycles)

    async def watch(ctx: TestbenchContext) -> None:
        while True:
            _, _, level = await ctx.tick().sample(uart.tx)
            seen.append(level)

    sim = Simulator(uart)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(push)
    sim.add_testbench(watch, background=True)
    sim.run()
    want = [level for level, n in levels(BYTES, cycles) for _ in range(int(n))]
    first = seen.index(0)
    assert seen[first : first + len(want)] == want
    assert set(seen[first + len(want) :]) == {1}


@pytest.mark.parametrize(
    ("clock", "baud", "cycles"),
    [(100e6, 3_000_000, 33), (80e6, 3_000_000, 27), (18e6, 1000000, 18)],
)
def test_cycles_per_bit(clock: float, baud: int, cycles: int) -> None:
    assert divisor(clock, baud) == cycles


@pytest.mark.parametrize(
    ("clock", "baud", "near"),
    [(25e6, 3_000_000, "2777777, 3125000, 3571428"), (12e6, 4_000_000, "2400000, 3000000")],
)
def test_rates_that_the_clock_misses_are_refused(clock: float, baud: int, near: str) -> None:
    message = (
        f"baud rate {baud} must be within 2 % of the clock of {clock / 1e6:g} MHz divided by a "
        f"whole number; nearest are {near}"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        divisor(clock, baud)
