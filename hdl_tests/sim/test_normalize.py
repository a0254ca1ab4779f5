"""`hw.vector.normalize`."""

import random

import pytest

from hdl_tests.harness.pysim import run_stream
from vitaccel.hw.vector.normalize import Normalize


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize(
    ("width", "unit", "out_width", "most"), [(42, 2, 32, 20), (23, 1, 16, 7), (6, 1, 3, 5)]
)
def test_aligns(width: int, unit: int, out_width: int, most: int, pause: float) -> None:
    rng = random.Random(width)
    least = width - most * unit - 1  # lowest bit that may be the highest set
    values = [0, (1 << width) - 1]
    for top in range(max(least, 0), width):
        values += [1 << top, (2 << top) - 1, 1 << top | rng.randrange(1 << top)]
    dut = Normalize(width, unit, out_width, most, 8)
    sent = [{"value": value, "tag": n & 255} for n, value in enumerate(values)]
    got = run_stream(dut, sent, len(sent), i=dut.i, o=dut.o, pause=pause)
    for n, (value, item) in enumerate(zip(values, got, strict=True)):
        assert item.tag == n & 255
        assert item.zero == (value == 0)
        if value:
            count = (width - value.bit_length()) // unit
            assert item.count == count
            assert item.value == value << count * unit >> width - out_width


def test_takes_its_interval_and_latency() -> None:
    dut = Normalize(42, 2, 32, 20, 1)
    assert dut.latency == 5
    sent = [{"value": 1, "tag": 0}] * 20
    cycles = 19 + dut.latency + 1
    run_stream(dut, sent, 20, i=dut.i, o=dut.o, max_cycles=cycles + 1)
    with pytest.raises(AssertionError, match="19 of 20"):
        run_stream(dut, sent, 20, i=dut.i, o=dut.o, max_cycles=cycles - 1)
