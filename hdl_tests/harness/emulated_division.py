"""Codes of divisors, as POST makes and reads them."""

import numpy as np


def leading_one(t: int) -> int:
    return max(int(t).bit_length() - 1, 0)


def log2_code(t: int) -> int:
    if t <= 1:
        return 0
    leading = leading_one(t)
    return min(15, leading + (int(t) >> leading - 1 & 1))


def reciprocal(residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factor and shift of each lane: those of its four."""
    quads = residual.view(np.uint8).astype(np.int64).reshape(len(residual), -1, 4)
    factor, exponent = quads[..., 0] | quads[..., 1] << 8, quads[..., 2] & 31
    return np.repeat(factor, 4, axis=1), np.repeat(exponent, 4, axis=1)
