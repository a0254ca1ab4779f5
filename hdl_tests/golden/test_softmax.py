"""`golden.ops.softmax` against the definition in Python integers and float PyTorch."""

import random

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from golden.ops import exp_table, softmax

SCALES = [0.001, 0.02, 0.1, 0.7, 3.0]
LENGTHS = [1, 2, 3, 17, 64, 197, 2048]


def rows_of(n: int, seed: int) -> Tensor:
    """Random rows and corners: flat, one-hot up and down, two values, extremes."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-128, 128, (24, n), generator=generator).to(torch.int8)
    x[:4] = torch.tensor([[0], [-128], [127], [3]])
    x[4], x[5], x[6] = -128, 127, 0
    x[4, -1], x[5, 0], x[6, 0] = 127, -128, 1
    x[7] = torch.where(torch.arange(n) % 2 == 0, -128, 127)
    return x


def reference(x: list[int], table: list[int], bits: int, log2: bool) -> list[int]:
    top = max(x)
    e = [table[top - value] for value in x]
    t = sum(e).bit_length() - 16
    n = sum(e) >> t
    inv, h = min(65535, 2**31 // n), 31 + t - bits
    if not log2:
        return [min(2**bits - 1, (value * inv + (1 << h - 1)) >> h) for value in e]
    codes = []
    for value in e:
        z = 16 - value.bit_length()
        me = value << z
        q = t + z + (2 * n >= 3 * me) - (4 * n < 3 * me)
        codes.append(min(15, q) if value else 15)
    return codes


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("bits", [2, 4, 8, None], ids=["2", "4", "8", "log2"])
def test_matches_integers(n: int, bits: int | None) -> None:
    for seed, scale in enumerate(SCALES):
        table, x = exp_table(scale), rows_of(n, seed)
        got = softmax(x, table, bits=bits or 8, log2=bits is None)
        want = [reference(row, table.tolist(), bits or 8, bits is None) for row in x.tolist()]
        assert got.dtype == torch.uint8
        assert got.tolist() == want


def test_log2_of_any_table() -> None:
    """Tables that meet the thresholds exactly: 2n = 3me, 4n = 3me."""
    rng = random.Random(1)
    for seed in range(100):
        tail = (
            rng.choice([0, 1, 3, 1 << rng.randrange(16), 3 << rng.randrange(14)]) for _ in "x" * 255
        )
        table = [32768, *tail]
        x = rows_of(rng.choice([2, 3, 6, 12, 48, 96]), seed)
        want = [reference(row, table, 8, True) for row in x.tolist()]
        assert softmax(x, torch.tensor(table), log2=True).tolist() == want


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("scale", SCALES)
def test_linear_within_one_unit_of_float(n: int, scale: float) -> None:
    x = rows_of(n, 1)
    want = functional.softmax(x.double() * scale, -1)
    got = softmax(x, exp_table(scale)).double() / 256
    assert (got - want).abs().max() <= 1 / 256


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("scale", SCALES)
def test_log2_within_three_halves_of_float(n: int, scale: float) -> None:
    x = rows_of(n, 2)
    want = functional.softmax(x.double() * scale, -1)
    q = softmax(x, exp_table(scale), log2=True).double()
    some = q < 15
    # half a unit of the table's least entries that matter, 2**-15 * 2**14, and n's truncation
    ratio = torch.exp2(-q[some]) / want[some]
    sure = want[some] * 32768 / want.amax(-1, keepdim=True).expand_as(want)[some] > 64
    assert ((ratio >= 0.74) & (ratio <= 1.52))[sure].all()
    assert (want[~some] < 2.0**-13.9).all()


def test_table_is_rounded_exponentials() -> None:
    table = exp_table(0.05).double()
    exact = 32768 * torch.exp(-0.05 * torch.arange(256).double())
    assert table[0] == 32768
    assert (table - exact).abs().max() <= 0.5


def test_shift_invariance() -> None:
    x = rows_of(17, 3).long().clamp(-100, 100)
    table = exp_table(0.1)
    for log2 in (False, True):
        assert torch.equal(
            softmax((x + 27).to(torch.int8), table, log2=log2),
            softmax((x - 28).to(torch.int8), table, log2=log2),
        )
