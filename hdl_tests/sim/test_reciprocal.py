"""`hw.vector.reciprocal` against `golden.ops.reciprocal`."""

import random

import pytest
import torch

from golden.ops.reciprocal import reciprocal
from hdl_tests.harness.pysim import run_paced
from vitaccel.hw.vector.reciprocal import Reciprocal


def run(values: list[int], n_stages: int, pause: float = 0.0, seed: int = 0) -> list[int]:
    dut = Reciprocal(16, n_stages)
    sent = [{"n": value, "tag": n & 0xFFFF} for n, value in enumerate(values)]
    got = run_paced(dut, sent, interval=16 // n_stages, pause=pause, seed=seed)
    assert [item.tag for _, item in got] == list(range(len(sent)))
    assert [item.n for _, item in got] == values
    return [item.inverse for _, item in got]


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_stages", [2, 4])
def test_matches_golden(n_stages: int, seed: int, pause: float) -> None:
    rng = random.Random(seed)
    values = [1 << 15, (1 << 15) + 1, (1 << 16) - 1] + [
        rng.randrange(1 << 15, 1 << 16) for _ in range(60)
    ]
    assert run(values, n_stages, pause, seed) == reciprocal(torch.tensor(values)).tolist()


def test_matches_golden_all_over_the_range() -> None:
    values = list(range(1 << 15, 1 << 16, 13))
    assert run(values, 16) == reciprocal(torch.tensor(values)).tolist()


@pytest.mark.parametrize("n_stages", [1, 2, 4, 16])
def test_takes_its_interval_and_latency(n_stages: int) -> None:
    interval = 16 // n_stages
    got = run_paced(Reciprocal(1, n_stages), [{"n": 1 << 15, "tag": 0}] * 20, interval=interval)
    assert [cycle for cycle, _ in got] == [Reciprocal.LATENCY + n * interval for n in range(20)]
