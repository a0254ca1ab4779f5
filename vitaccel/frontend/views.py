"""What a value of the user's graph is: elements of one layer's tensor, moved about."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

import torch
from torch import Tensor

__all__ = ["ONE", "Refused", "View", "by_head", "pixels", "tokens", "whole"]

ONE = -1  # in the index of a view: not an element of the layer, but the number 1


class Refused(Exception):
    """An operation that has no counterpart in `golden.network`, and why."""


@dataclass(frozen=True)
class View:
    """Symbolic value: element ``i`` is ``scale * source[index[i]]``.

    Reshapes, permutations, slices and the like need no code of their own: PyTorch performs them
    on ``index``, and a consumer compares what came out with the order it wants.

    Parameters
    ----------
    source
        Name of a layer.
    index
        int64, shape of the value: number of each element in the layer's tensor, row-major.
    scale
        Factor not yet applied, such as the 1 / sqrt(dim) of a query.
    version
        How often the layer had been rescaled when the value was made, see `Builder.fold`.
    affine
        Of an image: factor and shift of each channel, not yet applied.
    """

    source: str
    index: Tensor
    scale: float = 1.0
    version: int = 0
    affine: tuple[Tensor, Tensor] | None = None

    def moved(self, index: Tensor) -> "View":
        """Return the same elements elsewhere."""
        return replace(self, index=index)

    def shaped(self, *shape: int) -> "View":
        """Return the same elements in the same order; -1 as in `torch.reshape`."""
        return replace(self, index=self.index.reshape(shape))

    def unscaled(self) -> "View":
        """Return the value before the pending factor, which the caller applies itself."""
        return replace(self, scale=1.0)

    def scaled(self, factor: float) -> "View":
        """Return the value times ``factor``."""
        return replace(self, scale=self.scale * factor)


@lru_cache(maxsize=64)  # layers repeat, and PyTorch finds equality of one storage at once
def whole(shape: tuple[int, ...]) -> Tensor:
    """Index of a whole tensor in its own order; not to be written to."""
    return torch.arange(prod(shape)).reshape(shape)


def tokens(value: Tensor) -> Tensor:
    """Leading axes merged: ``[tokens, channels]``."""
    return value.reshape(-1, value.shape[-1])


def pixels(index: Tensor) -> Tensor:
    """Channels of ``[1, channels, height, width]`` last: ``[height * width, channels]``."""
    return tokens(index.movedim(-3, -1))


def by_head(index: Tensor) -> Tensor:
    """Leading axes merged: ``[heads, tokens, dim]``."""
    return index.reshape(-1, *index.shape[-2:])
