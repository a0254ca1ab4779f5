"""`golden.ops.reciprocal` over its whole domain."""

import torch

from golden.ops import reciprocal


def test_exhaustive() -> None:
    domain = range(1 << 15, 1 << 16)
    got = reciprocal(torch.tensor(domain)).tolist()
    assert got == [min(65535, 2**31 // n) for n in domain]
    assert all(abs(r * n / 2**31 - 1) < 2**-15 for r, n in zip(got, domain, strict=True))
