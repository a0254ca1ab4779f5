"""Handwritten digits of scikit-learn: 1797 images of 8 x 8 pixels, ten classes."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

__all__ = ["Digits", "Split", "digits"]


class Split(NamedTuple):
    """Images float32 ``[n, channels, height, width]``, labels int64 ``[n]``."""

    images: Tensor
    labels: Tensor


class Digits(NamedTuple):
    """Disjoint parts that together are the whole set: 1257, 180 and 360 images."""

    train: Split
    validation: Split
    test: Split


def digits() -> Digits:
    """Load the digits, ``[n, 1, 8, 8]`` from 0 to 1 in steps of 1/16, labels 0..9.

    Split the same way in every run.
    Stratified: images sorted by class, at random within a class; every fifth is for test, every
    tenth for validation. So each class has 10 % and 20 % there, within one image. Each part is
    shuffled, so any prefix of it is a fair sample.
    """
    pixels, labels = load_digits(return_X_y=True)
    images = torch.from_numpy((pixels / 16).astype(np.float32)).reshape(-1, 1, 8, 8)
    targets = torch.from_numpy(labels.astype(np.int64))
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(labels)), labels))
    position = np.arange(len(order))
    parts = (
        (position % 5 != 0) & (position % 10 != 1),
        position % 10 == 1,
        position % 5 == 0,
    )
    chosen = [torch.from_numpy(rng.permutation(order[part])) for part in parts]
    return Digits(*(Split(images[index], targets[index]) for index in chosen))
