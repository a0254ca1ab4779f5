"""`golden.ops.isqrt` against `math.isqrt`."""

import math

import pytest
import torch

from golden.ops import isqrt


def test_exhaustive_to_2_16() -> None:
    got = isqrt(torch.arange(1 << 16))
    assert got.tolist() == [math.isqrt(x) for x in range(1 << 16)]


def test_around_squares_to_2_44() -> None:
    roots = torch.arange(1, 1 << 22)
    squares = roots * roots
    assert torch.equal(isqrt(squares - 1), roots - 1)
    assert torch.equal(isqrt(squares), roots)
    assert torch.equal(isqrt(squares + 1), torch.where(roots == 0, 1, roots))


@pytest.mark.parametrize("seed", range(3))
def test_around_random_squares_of_64_bits(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    roots = torch.randint(1 << 22, 3037000500, (20_000,), generator=random)
    x = torch.cat([roots * roots + delta for delta in (-1, 0, 1)])
    assert isqrt(x).tolist() == [math.isqrt(value) for value in x.tolist()]


def test_extremes() -> None:
    x = torch.tensor([0, 1, 2, 3, 4, 3037000499**2 - 1, 3037000499**2, 2**63 - 1])
    assert isqrt(x).tolist() == [math.isqrt(value) for value in x.tolist()]


def test_narrow_dtype() -> None:
    assert isqrt(torch.tensor([127, 100], dtype=torch.int8)).tolist() == [11, 10]
