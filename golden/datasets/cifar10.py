"""CIFAR-10 in its official binary format: 32 x 32 pixels, three colours, ten classes."""

from pathlib import Path

import numpy as np
import torch

from golden.datasets.digits import Split
from vitaccel.errors import ConfigError

__all__ = ["cifar10", "is_cifar10"]

SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32  # label, then the pixels: red, green, blue, each row by row
TRAIN, TEST = "data_batch_*.bin", "test_batch.bin"
CLASSES = 10


def is_cifar10(folder: Path) -> bool:
    """Whether a folder holds files of CIFAR-10's binary version."""
    return (folder / TEST).is_file() or any(folder.glob(TRAIN))


def cifar10(folder: Path, *, train: bool) -> Split:
    """Read the training images (``data_batch_*.bin``) or the others (``test_batch.bin``).

    Returns
    -------
    Split
        Images ``[n, 3, 32, 32]`` uint8, labels 0 .. 9.

    Raises
    ------
    ConfigError
        A file is missing, is no whole number of records, or has a label above 9.

    Source
    ------
    https://www.cs.toronto.edu/~kriz/cifar.html, "binary version".
    """
    paths = sorted(folder.glob(TRAIN)) if train else [folder / TEST]
    if not paths:
        raise ConfigError(f"folder {folder} has no {TRAIN} of CIFAR-10's binary version")
    records = np.concatenate([_read(path) for path in paths])
    images = torch.from_numpy(records[:, 1:]).reshape(-1, *SHAPE)
    return Split(images, torch.from_numpy(records[:, 0].astype(np.int64)))


def _read(path: Path) -> np.ndarray:
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as bad:
        raise ConfigError(f"file {path} cannot be read: {bad.strerror}") from bad
    if not len(data) or len(data) % RECORD:
        raise ConfigError(
            f"file {path} must have records of {RECORD} bytes, not {len(data)} bytes in all"
        )
    records = data.reshape(-1, RECORD)
    worst = int(records[:, 0].max())
    if worst >= CLASSES:
        raise ConfigError(f"file {path} must have labels up to {CLASSES - 1}, not {worst}")
    return records
