"""Linear attention on integers: every step against its formula, divisors against real numbers."""

from fractions import Fraction

import pytest
import torch

from golden import ops


def rounded(value: Fraction) -> int:
    """Half up."""
    return (2 * value + 1).__floor__() // 2


def test_log2_is_the_leading_one_and_the_bit_below_it() -> None:
    x = torch.arange(1 << 17)
    codes = ops.log2_round(x, 8).tolist()
    assert codes[0] == codes[1] == 0
    for value in range(2, 1 << 12):
        leading = value.bit_length() - 1
        assert codes[value] == leading + (value >> leading - 1 & 1)
    exact = torch.exp2(torch.tensor(codes[1:]).double()) / x[1:]
    assert exact.min() > 2 / 3
    assert exact.max() <= 4 / 3
    assert codes[0b01100011] == 7  # the example of Trio-ViT
    assert torch.equal(ops.log2_round(x), ops.log2_round(x, 8).clamp(max=15))


def test_the_other_rule_of_trio_vit_is_another_rule() -> None:
    """Its code rounds at the square root of 2; we must not mix them up."""
    x = torch.arange(1, 1024)
    floor = torch.floor(torch.log2(x.double()))
    other = floor + (x / torch.exp2(floor) > torch.exp2(floor + 1) / x)
    assert int((other != ops.log2_round(x)).sum()) == 82


def test_floats_are_exact_below_256_and_within_a_256th_above() -> None:
    x = torch.arange(1 << 17)
    mantissa, exponent = ops.float_round(x)
    assert (int(mantissa[0]), int(exponent[0])) == (0, 0)
    assert (int(mantissa[1:].min()), int(mantissa.max()), int(exponent.max())) == (128, 255, 16)
    for value in range(1, 1 << 12):
        e = value.bit_length() - 1
        m = min(255, rounded(Fraction(value * 128, 1 << e)))
        assert (int(mantissa[value]), int(exponent[value])) == (m, e)
    back = mantissa * torch.exp2(exponent.double() - 7)
    assert torch.equal(back[1:256], x[1:256].double())
    assert ((back - x)[1:].abs() * 256 < x[1:]).all()


def test_reciprocals_are_the_nearest_16_bits() -> None:
    table = ops.reciprocals(7654321.5)
    for m in range(128, 256):
        assert int(table[m]) == rounded(Fraction(15308643, 2 * m))
    assert (table[:128] == table[128]).all()
    assert int(ops.reciprocals(2.0**23)[128]) == 65535


def test_inverses_are_two_bytes_and_an_exponent() -> None:
    x = torch.tensor([0, 1, 3, 70000])
    got = ops.invert(x, ops.reciprocals(50000.0 * 128)).view(3, 4)
    mantissas = [128, 128, 192, 137]  # 70000 / 2**16 * 128 = 136.7
    factors = [rounded(Fraction(50000 * 128, m)) for m in mantissas]
    assert (got[0] + 256 * got[1].int()).tolist() == factors
    assert got[2].tolist() == [0, 0, 1, 16]


@pytest.mark.parametrize("heads", [1, 3])
def test_sums_and_products_are_those_of_the_formula(heads: int) -> None:
    rng = torch.Generator().manual_seed(heads)
    dim, n = 4, 7
    q, k, v = (
        torch.randint(-128, 128, (2, n, heads * dim), generator=rng).to(torch.int8)
        for _ in range(3)
    )
    kv = ops.key_value(k, v, heads, 1 << 20)
    sums = ops.key_sum(k)
    small = (kv.double() / 2048).round().clamp(-128, 127).to(torch.int8)
    few = (sums.double() / 8).floor().clamp(0, 127).to(torch.int8)
    numerators = ops.query_values(q, small, heads, 1 << 20)
    divisors = ops.divisor(q, few, heads)
    for h in range(heads):
        part = slice(h * dim, (h + 1) * dim)
        ks, vs, qs = (x[1, :, part].long() for x in (k, v, q))
        assert torch.equal(kv[1, :, part].long(), vs.T @ ks.clamp(min=0))
        assert torch.equal(sums[1, 0, part], ks.clamp(min=0).sum(0))
        assert torch.equal(divisors[1, :, h], qs.clamp(min=0) @ few[1, 0, part].long())
        want = qs.clamp(min=0) @ small[1, :, part].long().T
        assert torch.equal(numerators[1, :, part].long(), want)


def test_quotients_by_shifts_are_exact_in_every_bit() -> None:
    rng = torch.Generator().manual_seed(0)
    acc = torch.randint(-(1 << 19), 1 << 19, (1, 200, 4), generator=rng)
    codes = torch.randint(16, (1, 200, 2), generator=rng).to(torch.uint8)
    fixed = {"mul": 40961, "pre_shift": 2, "post_shift": 17, "low": -128, "high": 127}
    got = ops.divide_log2(acc.double(), codes, **fixed)
    for token in range(200):
        for channel in range(4):
            t = int(acc[0, token, channel]) >> 2
            s = 17 + int(codes[0, token, channel // 2])
            y = (t * 40961 + (1 << s - 1)) >> s
            assert got[0, token, channel] == max(-128, min(127, y))


def test_exact_quotients_follow_their_formula() -> None:
    rng = torch.Generator().manual_seed(0)
    acc = torch.randint(-(1 << 19), 1 << 19, (1, 200, 4), generator=rng)
    inverse = torch.randint(256, (1, 200, 6), generator=rng)
    inverse[..., 4:] %= 17
    got = ops.divide_exact(
        acc.double(), inverse.byte(), pre_shift=2, post_shift=16, low=-128, high=127
    )
    for token in range(200):
        for channel in range(4):
            least, most, exponent = (int(v) for v in inverse[0, token, channel // 2 :: 2])
            s = 16 + exponent
            y = ((int(acc[0, token, channel]) >> 2) * (least + 256 * most) + (1 << s - 1)) >> s
            assert got[0, token, channel] == max(-128, min(127, y))


def test_quotients_by_reciprocals_are_those_of_real_numbers() -> None:
    """Within the errors of mantissa and reciprocal, and half a unit."""
    rng = torch.Generator().manual_seed(0)
    below = torch.randint(1, 1 << 17, (1, 500, 1), generator=rng)
    acc = (below * (torch.rand(1, 500, 1, generator=rng) - 0.5)).round()
    table = ops.reciprocals(200 * 2.0**15)  # 200 times the quotient
    got = ops.divide_exact(
        acc, ops.invert(below, table), pre_shift=0, post_shift=8, low=-128, high=127
    )
    want = 200 * acc.double() / below
    assert (got - want).abs().max() <= 0.5 + 100 * (1 / 256 + 1 / 16384)


def test_a_dead_row_gives_zeros() -> None:
    """No query is above 0: numerators and divisor are 0, and so is the result."""
    q = torch.full((1, 3, 4), -7, dtype=torch.int8)
    sums, kv = torch.zeros(1, 1, 4, dtype=torch.int8), torch.full((1, 4, 4), 99, dtype=torch.int8)
    below = ops.divisor(q, sums, 1)
    acc = ops.query_values(q, kv, 1, 1 << 20)
    assert not below.any()
    codes = ops.log2_round(below)
    fixed = {"pre_shift": 0, "post_shift": 1, "low": -128, "high": 127}
    assert not ops.divide_log2(acc, codes, mul=65535, **fixed).any()
    inverse = ops.invert(below, ops.reciprocals(2.0**23))
    assert inverse.unique().tolist() == [0, 255]
    assert not ops.divide_exact(acc, inverse, **fixed).any()


def test_a_divisor_of_zero_counts_as_one() -> None:
    """Keys too small for the format of the sums: the numerator need not be 0."""
    acc, zero = torch.full((1, 1, 2), 10.0), torch.zeros(1, 1, 1, dtype=torch.int64)
    fixed = {"mul": 1, "pre_shift": 0, "low": -128, "high": 127}
    assert ops.divide_log2(acc, ops.log2_round(zero), post_shift=1, **fixed).tolist() == [[[5, 5]]]
    one = ops.divide_log2(acc, ops.log2_round(zero + 1), post_shift=1, **fixed)
    assert one.tolist() == [[[5, 5]]]
    table = ops.reciprocals(2.0**15)  # 2**8 over the divisor
    inverses = [ops.invert(zero + n, table) for n in (0, 1)]
    assert torch.equal(*inverses)
    fixed = {"pre_shift": 0, "post_shift": 8, "low": -128, "high": 127}
    assert ops.divide_exact(acc, inverses[0], **fixed).tolist() == [[[10, 10]]]
