"""Weights rounded column by column, each error compensated in the columns not yet rounded."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["output_error", "round_columns"]

DAMPING = 0.01  # of the mean second moment, added to the diagonal


def output_error(error: Tensor, moment: Tensor) -> Tensor:
    """Mean square of each output's error: ``e @ moment @ e`` for each row e of ``[out, in]``."""
    return ((error @ moment) * error).sum(1)


def round_columns(weight: Tensor, moment: Tensor, snap: Callable[[Tensor], Tensor]) -> Tensor:
    """Round a weight so that the layer's output changes least.

    For column k in turn: ``w_k`` becomes ``snap(w_k, k)`` and its error times
    ``U[k, j] / U[k, k]`` is taken off every later column j, where ``U.T @ U`` is the inverse of
    the damped moment. Columns of greatest moment go first.

    Parameters
    ----------
    weight
        float64 ``[out, in]``.
    moment
        float64 ``[in, in]``: mean of ``x x.T`` over calibration data.
    snap
        Nearest representable value of a column ``[out]``.

    Returns
    -------
    Tensor
        float64 ``[out, in]``, every column from ``snap``.

    Source
    ------
    GPTQ, arXiv:2210.17323, section 3 (order by moment: its ``act_order``).
    """
    order = moment.diagonal().argsort(descending=True, stable=True)
    rest = weight[:, order].clone()
    damped = moment[order][:, order].clone()
    damped.diagonal().add_(DAMPING * damped.diagonal().mean() + 1e-12)
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    rounded = torch.empty_like(rest)
    for k in range(rest.shape[1]):
        rounded[:, k] = snap(rest[:, k])
        error = (rest[:, k] - rounded[:, k]) / upper[k, k]
        rest[:, k + 1 :] -= error[:, None] * upper[k, k + 1 :]
    return rounded[:, order.argsort()]
