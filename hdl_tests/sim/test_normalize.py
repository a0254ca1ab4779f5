"""`hw.vector.normalize`."""

import random

import pytest

from hdl_tests.harness.pysim import run_paced
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
    got = run_paced(dut, sent, pause=pause)
    for n, (value, (_, item)) in enumerate(zip(values, got, strict=True)):
        assert item.tag == n & 255
        assert item.zero == (value == 0)
        if value:
            count = (width - value.bit_length()) // unit
            assert item.count == count
            assert item.value == value << count * unit >> width - out_width


def test_takes_its_interval_and_latency() -> None:
    dut = Normalize(42, 2, 32, 20, 1)
    assert dut.latency == 5
    got = run_paced(dut, [{"value": 1, "tag": 0}] * 20)
    assert [cycle for cycle, _ in got] == [dut.latency + n for n in range(20)]
