"""Convolution on integers against a loop over pixels and taps, and against PyTorch in int64."""

import pytest
import torch
from torch.nn import functional

from golden import ops


def operands(shape: tuple[int, ...], groups: int, kernel: int, seed: int) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    height, width, n_in, n_out = shape
    sizes = [
        ((2, height * width, n_in), torch.int8),
        ((n_out, n_in // groups, kernel, kernel), torch.int8),
        ((n_out,), torch.int32),
        ((n_in,), torch.int16),
    ]
    return [torch.randint(-128, 128, size, generator=rng).to(kind) for size, kind in sizes]


@pytest.mark.parametrize(
    ("shape", "groups", "kernel", "stride", "padding"),
    [
        ((5, 4, 3, 2), 1, 3, 1, 1),
        ((5, 4, 6, 6), 6, 3, 2, 1),
        ((6, 6, 4, 4), 4, 5, 1, 2),
        ((6, 5, 4, 8), 2, 1, 1, 0),
        ((7, 7, 4, 2), 2, 2, 2, 0),
    ],
)
def test_every_sum_is_that_of_the_definition(
    shape: tuple[int, ...], groups: int, kernel: int, stride: int, padding: int
) -> None:
    height, width, n_in, n_out = shape
    x, weight, bias, pad = operands(shape, groups, kernel, 1)
    got = ops.conv(
        x,
        weight,
        bias,
        pad,
        size=(height, width),
        stride=stride,
        padding=padding,
        groups=groups,
    ).long()
    rows, columns = ((n + 2 * padding - kernel) // stride + 1 for n in (height, width))
    assert got.shape == (2, rows * columns, n_out)
    per_group, outs = n_in // groups, n_out // groups
    for o in range(n_out):
        for y in range(rows):
            for z in range(columns):
                total = int(bias[o])
                for c in range(per_group):
                    channel = o // outs * per_group + c
                    for i in range(kernel):
                        for j in range(kernel):
                            at = (stride * y + i - padding, stride * z + j - padding)
                            inside = 0 <= at[0] < height and 0 <= at[1] < width
                            value = x[1, at[0] * width + at[1], channel] if inside else pad[channel]
                            total += int(weight[o, c, i, j]) * int(value)
                assert got[1, y * columns + z, o] == total


def test_sums_beyond_float32_stay_exact() -> None:
    x = torch.full((1, 49, 512), 127, dtype=torch.int8)
    weight = torch.full((1, 512, 7, 7), 127, dtype=torch.int8)
    weight[0, 0, 0, 0] = 126
    bias, pad = torch.zeros(1, dtype=torch.int32), torch.zeros(512, dtype=torch.int16)
    acc = ops.conv(x, weight, bias, pad, size=(7, 7), stride=1, padding=0, groups=1)
    assert int(acc) == 127 * 127 * 512 * 49 - 127 > 1 << 24


def test_zeros_beyond_the_edge_are_those_of_pytorch() -> None:
    x, weight, bias, _ = operands((9, 9, 8, 8), 8, 3, 2)
    zero = torch.zeros(8, dtype=torch.int16)
    image = x.long().mT.reshape(2, 8, 9, 9)
    want = functional.conv2d(image.double(), weight.double(), bias.double(), 2, 1, groups=8)
    got = ops.conv(x, weight, bias, zero, size=(9, 9), stride=2, padding=1, groups=8)
    assert torch.equal(got.double(), want.flatten(2).mT)


def test_pool_and_tables_by_slot() -> None:
    x = torch.randint(-128, 128, (3, 70, 5)).to(torch.int8)
    assert torch.equal(ops.pool(x), x.long().sum(1, keepdim=True))
    tables = torch.stack([torch.arange(256), 255 - torch.arange(256)]) - 128
    slot = torch.tensor([0, 1, 1, 0, 1], dtype=torch.int32)
    got = ops.lookup_slots(x, tables.to(torch.int8), slot)
    assert torch.equal(got, torch.where(slot.bool(), -1 - x.int(), x.int()).to(torch.int8))
