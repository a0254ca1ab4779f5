"""Quantisers against brute force, and against the integer operators that they feed."""

import itertools

import pytest
import torch

from golden import ops
from golden.quantizers import (
    Observer,
    asymmetric,
    bounds,
    channel_shifts,
    choose_pot,
    dequantize,
    fit_norm,
    fit_requant,
    greatest_exponent,
    half,
    log2_codes,
    log2_values,
    output_error,
    pot_scales,
    pot_violations,
    pre_shift_for,
    ptf,
    quantize,
    round_columns,
    round_half_up,
    snap_pot,
    symmetric_scales,
)

SEEDS = range(3)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_ties_round_up() -> None:
    x = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 0.49])
    assert round_half_up(x).tolist() == [-2, -1, 0, 1, 2, 0]


@pytest.mark.parametrize("bits", range(2, 9))
def test_symmetric_minmax_keeps_the_greatest_exact_and_errs_by_half_a_step(bits: int) -> None:
    x = normal(5, 100, seed=bits)
    scale = symmetric_scales(x, bits)
    q = quantize(x, scale[:, None], *bounds(bits))
    assert (q.abs().amax(1) == bounds(bits)[1]).all()
    assert ((dequantize(q, scale[:, None]) - x).abs() <= scale[:, None] * 0.5000001).all()


@pytest.mark.parametrize("observer", ["percentile", "mse"])
def test_observers_shrink_the_range_of_outliers(observer: Observer) -> None:
    x = normal(1, 10000)
    x[0, 0] = 15
    assert symmetric_scales(x, 4, observer) < 0.7 * symmetric_scales(x, 4)


def test_mse_is_never_worse_than_minmax_and_heeds_the_moment() -> None:
    x, moment = normal(4, 64), torch.rand(64) ** 4

    def error(scale: torch.Tensor) -> torch.Tensor:
        step = scale[:, None]
        return ((x - dequantize(quantize(x, step, *bounds(4)), step)).square() * moment).sum(1)

    found = error(symmetric_scales(x, 4, "mse", moment))
    assert (found <= error(symmetric_scales(x, 4))).all()
    assert (found <= error(symmetric_scales(x, 4, "mse"))).all()


def test_rows_of_zeros_have_scale_one() -> None:
    assert symmetric_scales(torch.zeros(2, 3), 8, "mse").tolist() == [1, 1]
    assert pot_scales(torch.zeros(2, 3), 4).tolist() == [1, 1]
    assert asymmetric(torch.zeros(3), 8) == (1.0, 0)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("observer", ["minmax", "percentile", "mse"])
def test_asymmetric_covers_the_range_and_zero_is_exact(observer: Observer, signed: bool) -> None:
    x = torch.rand(5000, dtype=torch.float64) * 3 - 0.2
    scale, zero_point = asymmetric(x, 8, observer, signed)
    low, high = bounds(8, signed)
    assert low <= zero_point <= high
    hat = dequantize(quantize(x, scale, low, high, zero_point), scale, zero_point)
    assert (hat - x).abs().max() < 0.02  # mse clips a little
    assert quantize(torch.zeros(1), scale, low, high, zero_point).item() == zero_point


def test_asymmetric_of_positive_values_starts_at_zero() -> None:
    assert asymmetric(torch.tensor([0.5, 1.0]), 8) == (1 / 255, 0)


@pytest.mark.parametrize("bits", [3, 4, 5])
def test_pot_snaps_to_the_nearest(bits: int) -> None:
    powers = [2.0**e for e in range(greatest_exponent(bits) + 1)]
    values = torch.tensor(sorted([-p for p in powers] + [0.0] + powers), dtype=torch.float64)
    x = torch.cat((torch.linspace(-3, 3, 6001), normal(2000) * powers[-1])).double()
    distance = (x[:, None] - values).abs()
    snapped = snap_pot(x, bits)
    assert set(snapped.tolist()) <= set(values.tolist())
    assert torch.equal((x - snapped).abs(), distance.amin(1))


def test_pot_scale_of_powers_of_two_is_found() -> None:
    exponents = torch.randint(0, 7, (6, 200), generator=torch.Generator().manual_seed(0))
    x = 0.37 * torch.exp2(exponents.double())
    scale = pot_scales(x, 4)
    error = (x - snap_pot(x / scale[:, None], 4) * scale[:, None]).norm() / x.norm()
    assert error < 0.03  # the steps of the search are 3.8 % apart


@pytest.mark.parametrize(("groups", "pot_groups"), [(2, 1), (3, 1), (4, 3), (2, 0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_choice_is_the_best_that_the_array_holds(groups: int, pot_groups: int, seed: int) -> None:
    array = {"rows": 2, "groups": groups, "pot_groups": pot_groups}
    penalty = normal(10, seed=seed) + 0.5
    chosen = choose_pot(penalty, **array)
    assert not pot_violations(chosen, **array)
    best = min(
        penalty[trial].sum().item()
        for trial in (torch.tensor(t) for t in itertools.product([False, True], repeat=10))
        if not pot_violations(trial, **array)
    )
    assert penalty[chosen].sum().item() == pytest.approx(best)


def test_full_tiles_have_exactly_pot_groups() -> None:
    chosen = choose_pot(normal(64), rows=4, groups=4, pot_groups=3)
    assert (chosen.reshape(4, 4, 4).sum(1) == 3).all()
    array = {"rows": 4, "groups": 4, "pot_groups": 3}
    assert pot_violations(~chosen, **array) == [
        list(range(tile + lane, tile + 16, 4)) for tile in range(0, 64, 16) for lane in range(4)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_log2_codes_are_those_of_the_integer_softmax(seed: int) -> None:
    x = torch.randint(-128, 128, (200, 17), generator=torch.Generator().manual_seed(seed))
    p = torch.softmax(x.double() * 0.03, -1)
    codes = log2_codes(p)
    integer = ops.softmax(x.to(torch.int8), ops.exp_table(0.03), bits=4, log2=True).long()
    assert (codes - integer).abs().max() <= 1  # small entries of the exp table are coarse
    assert (codes != integer).double().mean() < 0.01
    values = log2_values(codes)
    shown = codes < 15
    assert ((values / p)[shown] <= 1.5).all()
    assert ((values / p)[shown] >= 0.75 - 1e-12).all()
    assert values.sum(-1).max() <= 1.5


def test_shifts_are_those_of_least_error() -> None:
    x = normal(300, 12) * torch.logspace(-2, 0.5, 12, dtype=torch.float64)
    base, shifts = ptf(x)
    assert set(shifts.tolist()) == {0, 1, 2, 3}
    assert torch.equal(shifts, channel_shifts(x, base))
    for c, shift in enumerate(shifts.tolist()):
        errors = [
            (x[:, c] - dequantize(quantize(x[:, c], base * 2**s, -128, 127), base * 2**s)).norm()
            for s in range(4)
        ]
        assert errors[shift] == min(errors)


@pytest.mark.parametrize("seed", SEEDS)
def test_feedback_changes_the_output_less_than_rounding_to_nearest(seed: int) -> None:
    mixing = normal(24, 24, seed=seed)
    x = normal(500, 24, seed=seed + 10) @ mixing
    moment, weight = x.T @ x / 500, normal(16, 24, seed=seed + 20)
    scale = symmetric_scales(weight, 4)

    def snap(column: torch.Tensor) -> torch.Tensor:
        return quantize(column, scale, -8, 7) * scale

    nearest = quantize(weight, scale[:, None], -8, 7) * scale[:, None]
    rounded = round_columns(weight, moment, snap)
    steps = rounded / scale[:, None]
    assert torch.allclose(steps, steps.round())
    worse = output_error(weight - nearest, moment).sum()
    assert output_error(weight - rounded, moment).sum() < 0.5 * worse


@pytest.mark.parametrize("high", [1, 131071, 131072, 10**6, 2**31 - 1])
def test_pre_shift_is_the_least_that_fits(high: int) -> None:
    shift = pre_shift_for(-high - 1, high)
    assert (high + half(shift)) >> shift < 1 << 17
    assert shift == 0 or (high + half(shift - 1)) >> (shift - 1) >= 1 << 17


@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("reach", [2000, 90_000, 3_000_000])
@pytest.mark.parametrize("seed", SEEDS)
def test_requant_is_within_a_unit_of_exact(seed: int, reach: int, with_residual: bool) -> None:
    gen = torch.Generator().manual_seed(seed)
    acc = torch.randint(-reach, reach + 1, (500, 7), generator=gen)
    ratio = (torch.rand(7, generator=gen, dtype=torch.float64) * 3 + 1) * 30 / reach
    residual = torch.rand(7, generator=gen, dtype=torch.float64) * 4 if with_residual else None
    fit = fit_requant(ratio, -reach, reach, residual=residual)
    assert 0 <= fit.pre_shift <= 15
    assert 1 <= fit.post_shift <= 32
    assert 0 <= fit.mul.min()
    assert fit.mul.max() <= 65535
    x = torch.randint(-20, 20, (500, 7), generator=gen).to(torch.int8)
    y = ops.requant(
        acc,
        torch.full((7,), half(fit.pre_shift)),
        fit.mul,
        pre_shift=fit.pre_shift,
        post_shift=fit.post_shift,
        residual=x if with_residual else None,
        residual_mul=fit.residual_mul,
    )
    exact = acc * ratio + (0 if residual is None else x * residual)
    inside = exact.abs() < 120
    assert (y - exact)[inside].abs().max() < 0.6  # half a unit, and what mul and t lose


@pytest.mark.parametrize("residual", [None, [1.0, 4.0, 0.25, 2.0**-16]])
def test_shift_only_is_exact(residual: list[float] | None) -> None:
    ratio = torch.tensor([2.0**-9, 2.0**-12, 2.0**-6, 2.0**-10], dtype=torch.float64)
    extra = None if residual is None else torch.tensor(residual, dtype=torch.float64)
    fit = fit_requant(ratio, -300_000, 300_000, residual=extra, mode="shift")
    assert torch.equal(fit.mul.double(), ratio * 2.0 ** (fit.pre_shift + fit.post_shift))
    assert fit.mul.max() <= 1 << 15
    if extra is not None:
        assert fit.residual_mul is not None
        exact = extra * 2.0**fit.post_shift
        assert torch.equal(fit.residual_mul.double(), torch.where(exact < 1, 0, exact))


def test_shift_only_gives_bits_to_pre_shift_rather_than_lose_a_channel() -> None:
    ratio = torch.tensor([2.0**-18, 2.0**-16], dtype=torch.float64)
    fit = fit_requant(ratio, -100, 100, residual=torch.ones(2).double(), mode="shift")
    assert fit.mul.tolist() == [1, 4]
    assert (fit.pre_shift, fit.post_shift) == (3, 15)


@pytest.mark.parametrize("length", [2, 48, 64, 100])
def test_norm_is_the_float_layernorm(length: int) -> None:
    gen = torch.Generator().manual_seed(length)
    x = torch.randint(-128, 128, (50, length), generator=gen).to(torch.int8)
    gamma = torch.rand(length, generator=gen) * 2 - 0.5
    beta = torch.randn(length, generator=gen)
    scale = 0.04
    norm = fit_norm(gamma, beta, scale)
    y = ops.layernorm(x, norm.gain, norm.offset, post_shift=norm.post_shift)
    exact = torch.nn.functional.layer_norm(x.double(), [length], gamma.double(), beta.double(), 0)
    exact = (exact / scale).clamp(-128, 127)
    assert (y - exact).abs().max() < 0.75
