"""`golden.ops.layernorm` against the definition in Python integers and float PyTorch."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from golden.ops import layernorm, layernorm_constants

LENGTHS = [2, 3, 4, 5, 17, 48, 64, 192, 768, 1024, 2047, 2048, 4096]


def rows_of(length: int, seed: int) -> Tensor:
    """Random rows and corners: constant, one value aside, two extremes, least variance."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-128, 128, (16, length), generator=generator).to(torch.int8)
    x[:4] = torch.tensor([[0], [-128], [127], [5]])
    x[4], x[5], x[6] = 127, -128, 0
    x[4, 0], x[5, -1], x[6, -1] = -128, 127, 1
    x[7] = torch.where(torch.arange(length) % 2 == 0, -128, 127)
    x[8] = torch.arange(length) % 2
    return x


def reference(
    x: list[int], gain: list[int], offset: list[int], shifts: list[int], post: int, low: int,
    high: int,
) -> list[int]:  # fmt: skip
    constants, length = layernorm_constants(len(x)), len(x)
    wide = [value << shift for value, shift in zip(x, shifts, strict=True)]
    s1, s2 = sum(wide), sum(value * value for value in wide)
    variance = length * s2 - s1 * s1
    mu = (s1 * constants.mean_mul + (1 << constants.mean_shift - 1)) >> constants.mean_shift
    t = inv = 0
    if variance:
        t = (variance.bit_length() - 1) // 2 - 15
        normal = variance >> 2 * t if t > 0 else variance << -2 * t
        assert 2**30 <= normal < 2**32
        inv = min(65535, 2**31 // math.isqrt(normal))
    s = constants.scale_shift + t
    result = []
    for value, g, o in zip(wide, gain, offset, strict=True):
        u = (((value << 4) - mu) * inv + (1 << s - 1)) >> s
        u = max(-(1 << 17), min((1 << 17) - 1, u))
        result.append(max(low, min(high, (u * g + o + (1 << post - 1)) >> post)))
    return result


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("with_shifts", [False, True], ids=["plain", "ptf"])
def test_matches_integers(length: int, with_shifts: bool) -> None:
    random = torch.Generator().manual_seed(length)
    for post, (low, high) in ((1, (0, 255)), (9, (-8, 7)), (16, (-128, 127)), (40, (-128, 127))):
        x = rows_of(length, post)
        gain = torch.randint(-(2**15), 2**15, (length,), generator=random).to(torch.int16)
        offset = torch.randint(-(2**31), 2**31, (length,), generator=random).to(torch.int32)
        shifts = torch.randint(0, 4 if with_shifts else 1, (length,), generator=random)
        got = layernorm(
            x, gain, offset, post_shift=post, shifts=shifts if with_shifts else None, low=low,
            high=high,
        )  # fmt: skip
        parameters = (gain.tolist(), offset.tolist(), shifts.tolist(), post, low, high)
        assert got.tolist() == [reference(row, *parameters) for row in x.tolist()]


def test_constants() -> None:
    for length in range(2, 4097):
        mean_mul, mean_shift, scale_shift = layernorm_constants(length)
        assert mean_shift == 12 + math.floor(math.log2(length))
        assert mean_mul == round(16 * 2**mean_shift / length) < 1 << 17
        assert scale_shift == 25 - math.ceil(math.log2(length))


@pytest.mark.parametrize("length", [1, 4097])
def test_refuses_length(length: int) -> None:
    with pytest.raises(ValueError, match=f"^length must be 2 to 4096, not {length}$"):
        layernorm_constants(length)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("with_shifts", [False, True], ids=["plain", "ptf"])
def test_close_to_float(length: int, with_shifts: bool) -> None:
    """The error that the docstring states, for outputs of scale 1/32 and no epsilon."""
    random = torch.Generator().manual_seed(length)
    scale, post = 1 / 32, 19
    gamma = 1 + torch.rand(length, generator=random).double() / 2
    beta = torch.randn(length, generator=random).double()
    unit = length / 2 ** math.ceil(math.log2(length)) * 2.0 ** (post - 10) / scale
    gain, offset = (gamma * unit).round(), (beta / scale * 2**post).round()
    shifts = torch.randint(0, 4 if with_shifts else 1, (length,), generator=random)
    x = rows_of(length, 7)
    got = layernorm(
        x, gain.to(torch.int16), offset.to(torch.int32), post_shift=post, shifts=shifts
    ).double()
    wide = x.double() * (1 << shifts)
    deviation = wide.var(-1, unbiased=False, keepdim=True).sqrt()
    z = ((wide - wide.mean(-1, keepdim=True)) / deviation).nan_to_num()
    want = functional.layer_norm(wide, (length,), gamma, beta, eps=0.0) / scale
    want = torch.where(deviation > 0, want, beta / scale)
    error = (got - want.clamp(-128, 127)).abs()
    bound = 0.5 + gamma / scale * (1 / (32 * deviation) + 2**-11 + z.abs() * 2**-13)
    assert (error <= bound).all()
    usual = deviation.flatten() >= 12
    assert error[usual].max() <= 0.75


@pytest.mark.parametrize("length", LENGTHS)
def test_constant_rows_give_the_offset(length: int) -> None:
    gain = torch.full((length,), 32767, dtype=torch.int16)
    offset = torch.full((length,), 7 << 12, dtype=torch.int32)
    x = torch.tensor([[-128], [-1], [0], [127]], dtype=torch.int8).expand(4, length)
    assert (layernorm(x, gain, offset, post_shift=12) == 7).all()
