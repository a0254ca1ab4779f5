"""Memory for intermediate values that is used again and again."""

import math
import threading

import torch
from torch import Tensor

__all__ = ["converted", "scratch"]

_local = threading.local()


def scratch(shape: torch.Size, dtype: torch.dtype, use: str) -> Tensor:
    """Uninitialised tensor over this thread's memory for ``use``.

    It is valid until the next call with the same ``use``, so it must not leave the function that
    asked. The system hands new memory out page by page, filled with zeros: for a tensor of some
    megabytes that takes several times as long as a pass over it.
    """
    kept: dict[str, Tensor] = _local.__dict__.setdefault("kept", {})
    n_bytes = math.prod(shape) * dtype.itemsize
    if use not in kept or len(kept[use]) < n_bytes:
        kept[use] = torch.empty(n_bytes, dtype=torch.uint8)
    return kept[use][:n_bytes].view(dtype).view(shape)


def converted(x: Tensor, dtype: torch.dtype, use: str) -> Tensor:
    """Return ``x`` as ``dtype`` in `scratch` memory, or ``x`` itself if it is that already."""
    return x if x.dtype == dtype else scratch(x.shape, dtype, use).copy_(x)
