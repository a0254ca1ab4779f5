"""`golden.ops.requant` against the formula in Python integers."""

import random

import pytest
import torch
from torch import Tensor

from golden.ops import lookup, requant


def reference(
    acc: int, bias: int, mul: int, residual: int, residual_mul: int, pre_shift: int,
    post_shift: int, zero_point: int, low: int, high: int,
) -> int:  # fmt: skip
    t = (acc + bias) >> pre_shift
    u = t * mul + residual * residual_mul + (1 << post_shift - 1)
    return max(low, min(high, (u >> post_shift) + zero_point))


def vector(*values: int) -> Tensor:
    return torch.tensor(values)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.float32, torch.float64])
def test_random_matches_integers(seed: int, dtype: torch.dtype) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        pre, post, zero = rng.randrange(8), rng.randrange(1, 64), rng.randrange(-128, 128)
        low, high = rng.choice([(-128, 127), (0, 255), (-8, 7), (0, 15)])
        limit = min(1 << 17 + pre, 1 << 23)
        rows = [
            (
                rng.choice([rng.randrange(-limit, limit), -limit, limit - 1, 0]),
                0,
                rng.choice([0, 1, 65535, rng.randrange(65536), 1 << rng.randrange(16)]),
                rng.choice([-128, 127, 0, rng.randrange(-128, 128)]),
                rng.choice([0, 65535, rng.randrange(65536)]),
            )
            for _ in range(40)
        ]
        bias = rng.randrange(-100, 100)
        rows = [(acc - bias, bias, m, r, rm) for acc, _, m, r, rm in rows]
        a, b, m, r, rm = (torch.tensor(column) for column in zip(*rows, strict=True))
        got = requant(
            a.to(dtype), b.to(torch.int32), m, residual=r.to(torch.int8), residual_mul=rm,
            pre_shift=pre, post_shift=post, zero_point=zero, low=low, high=high,
        )  # fmt: skip
        assert got.dtype == (torch.int8 if low < 0 else torch.uint8)
        assert got.tolist() == [reference(*row, pre, post, zero, low, high) for row in rows]


def test_floor_on_negatives_not_truncation() -> None:
    acc = torch.arange(-7, 4)
    # -6 / 4 = -1.5 rounds half up to -1; truncating (u + half) / 4 would make -1 of -7 as well
    want = [-2, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1]
    assert requant(acc, vector(0), vector(1), post_shift=2).tolist() == want
    # -1 >> 2 is -1, times 2 is -2, over 2 is -1; truncation would give 0
    assert requant(vector(-1), vector(0), vector(2), pre_shift=2, post_shift=1).tolist() == [-1]


def test_saturates_once_and_last() -> None:
    def run(acc: int, residual: int, zero_point: int) -> list[int]:
        y = requant(
            vector(acc), vector(0), vector(2), residual=vector(residual), residual_mul=vector(4),
            post_shift=1, zero_point=zero_point,
        )  # fmt: skip
        return y.tolist()

    assert run(300, 0, 0) == [127]
    assert run(300, -100, 0) == [100]  # the residual brings the sum back before the clamp
    assert run(300, 0, -200) == [100]  # and so does the zero point
    assert run(-300, 0, 200) == [-100]


def test_inputs_are_left_alone() -> None:
    acc = torch.tensor([5.0, -5.0], dtype=torch.float64)
    requant(acc, None, vector(3), pre_shift=1, post_shift=1)
    assert acc.tolist() == [5.0, -5.0]


def test_powers_of_two_are_shifts() -> None:
    acc = torch.arange(-(1 << 10), 1 << 10)
    for e in range(16):
        got = requant(acc, None, vector(1 << e), post_shift=15)
        want = [max(-128, min(127, ((a << e) + (1 << 14)) >> 15)) for a in acc.tolist()]
        assert got.tolist() == want


def test_lookup_is_indexed_by_signed_value() -> None:
    table = torch.arange(256, dtype=torch.int16).to(torch.uint8)
    y = torch.arange(-128, 128, dtype=torch.int8).reshape(2, 128)
    assert torch.equal(lookup(y, table), table.reshape(2, 128))
