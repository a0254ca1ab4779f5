"""`hw.vector.isqrt` against `golden.ops.isqrt`."""

import random

import pytest
import torch

from golden.ops.isqrt import isqrt
from hdl_tests.harness.pysim import run_paced
from vitaccel.hw.vector.isqrt import Isqrt


def run(values: list[int], n_stages: int, pause: float = 0.0, seed: int = 0) -> list[int]:
    dut = Isqrt(16, n_stages)
    sent = [{"value": value, "tag": n} for n, value in enumerate(values)]
    got = run_paced(dut, sent, interval=16 // n_stages, pause=pause, seed=seed)
    assert [item.tag for _, item in got] == list(range(len(sent)))
    return [item.root for _, item in got]


def near_squares(seed: int, count: int) -> list[int]:
    rng = random.Random(seed)
    roots = [1 << 15, (1 << 15) + 1, 46340, 46341, (1 << 16) - 1]
    roots += [rng.randrange(1 << 15, 1 << 16) for _ in range(count)]
    return [k * k + d for k in roots for d in (-1, 0, 1)]


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_stages", [2, 16])
def test_matches_golden_around_squares(n_stages: int, seed: int, pause: float) -> None:
    rng = random.Random(seed)
    values = [*near_squares(seed, 40), 0, 1, (1 << 30) - 1, 1 << 30, (1 << 32) - 1]
    values += [rng.randrange(1 << 32) for _ in range(30)]
    assert run(values, n_stages, pause, seed) == isqrt(torch.tensor(values)).tolist()


def test_matches_golden_at_squares_all_over_the_range() -> None:
    values = [k * k + d for k in range(1 << 15, 1 << 16, 31) for d in (-1, 0, 1)]
    assert run(values, 16) == isqrt(torch.tensor(values)).tolist()


def test_takes_small_numbers_too() -> None:
    values = list(range(300))
    assert run(values, 1) == isqrt(torch.tensor(values)).tolist()


@pytest.mark.parametrize("n_stages", [1, 2, 4, 16])
def test_takes_its_interval_and_latency(n_stages: int) -> None:
    interval = 16 // n_stages
    got = run_paced(Isqrt(1, n_stages), [{"value": 1 << 30, "tag": 0}] * 20, interval=interval)
    assert [cycle for cycle, _ in got] == [Isqrt.LATENCY + n * interval for n in range(20)]
