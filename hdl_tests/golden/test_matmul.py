"""`golden.ops.matmul`, ``linear`` and ``log2_matmul`` against int64 products."""

import pytest
import torch

from golden.ops import (
    LOG2_ROW_SUM,
    exact_dtype,
    exp_table,
    linear,
    linear_bound,
    linear_range,
    log2_matmul,
    matmul,
    softmax,
)


def randint(seed: int, low: int, high: int, *shape: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(low, high + 1, shape, generator=random)


def test_dtype_follows_the_bound() -> None:
    assert exact_dtype((1 << 24) - 1) == torch.float32
    assert exact_dtype(1 << 24) == torch.float64
    with pytest.raises(ValueError, match=r"^sums up to 9007199254740992 exceed 2\*\*53$"):
        exact_dtype(1 << 53)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 2, 7, 64, 1023, 1024])
def test_matmul_equals_int64(seed: int, k: int) -> None:
    a, b = randint(seed, -128, 255, 3, 5, k), randint(seed + 9, -128, 127, 3, k, 4)
    got = matmul(a, b, k * 255 * 128)
    assert torch.equal(got.long(), a @ b)


def test_float32_is_exact_up_to_its_bound_and_needs_it() -> None:
    ones = torch.ones(1, (1 << 24) // 128 - 1, dtype=torch.int8)
    weight = torch.full_like(ones, 127).T
    assert matmul(ones * -128, weight, 1 << 40).item() == -128 * 127 * ones.numel()
    top = torch.full((1, 1023), 128)
    assert matmul(top, torch.full((1023, 1), 128), 1023 << 14).item() == 1023 << 14


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("magnitude", [127, 1 << 14])
def test_linear_equals_int64(seed: int, magnitude: int) -> None:
    x = randint(seed, -128, 127, 2, 6, 300)
    weight = randint(seed + 1, -magnitude, magnitude, 20, 300).to(torch.int16)
    bias = randint(seed + 2, -(2**31), 2**31 - 1, 20).to(torch.int32)
    got = linear(x, weight, bias)
    assert torch.equal(got.long(), x @ weight.long().T + bias)


def test_range_and_bound_are_attained() -> None:
    weight = torch.tensor([[1, -2], [3, 4]], dtype=torch.int8)
    bias = torch.tensor([10, -5], dtype=torch.int32)
    inputs = torch.cartesian_prod(torch.arange(-4, 8), torch.arange(-4, 8))
    sums = inputs @ weight.long().T + bias
    assert linear_range(weight, bias, -4, 7) == (sums.min().item(), sums.max().item())
    assert linear_bound(weight, bias, 7) == 54


@pytest.mark.parametrize("seed", range(3))
def test_log2_matmul_equals_shifts(seed: int) -> None:
    codes, values = randint(seed, 0, 15, 2, 5, 40), randint(seed + 1, -128, 127, 2, 40, 6)
    shifted = values[:, None] << (14 - codes).clamp(min=0)[..., None]  # [2, 5, 40, 6]
    want = (shifted * (codes < 15)[..., None]).sum(2)
    assert torch.equal(log2_matmul(codes.to(torch.uint8), values.to(torch.int8)).long(), want)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [1, 2, 3, 17, 197, 2048])
def test_row_sum_of_log2_softmax_is_bounded(seed: int, n: int) -> None:
    for scale in (1e-4, 0.003, 0.02, 0.2):
        x = randint(seed, -128, 127, 50, n).to(torch.int8)
        q = softmax(x, exp_table(scale), log2=True).long()
        rows = ((1 << (14 - q).clamp(min=0)) * (q < 15)).sum(-1)
        assert rows.max() <= LOG2_ROW_SUM
