"""Folders of images, as calibration takes them."""

from pathlib import Path

import torch
from torch import Tensor

from golden.datasets.image_file import KINDS, read_image
from golden.preprocess import Preprocess
from vitaccel.errors import ConfigError

__all__ = ["image_files", "read_folder"]


def image_files(folder: Path) -> list[Path]:
    """Files with images in a folder, in the order of their names; others are ignored.

    Raises
    ------
    ConfigError
        The folder is missing or has none.
    """
    if not folder.is_dir():
        raise ConfigError(f"image folder {folder} does not exist")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in KINDS)
    if not files:
        raise ConfigError(f"image folder {folder} must have images ({', '.join(KINDS)}), not none")
    return files


def read_folder(
    folder: Path,
    shape: tuple[int, int, int],
    preprocess: Preprocess | None = None,
    count: int | None = None,
) -> Tensor:
    """Read the images of a folder, in the order of the file names, but not of folders in it.

    Parameters
    ----------
    shape, preprocess
        See `read_image`.
    count
        Read the first ones only.

    Returns
    -------
    Tensor
        float32 ``[n, channels, height, width]``, see `read_image`.

    Raises
    ------
    ConfigError
        The folder is missing or has no images; a file is broken, of another size, or has NaN.
    """
    images: list[Tensor] = []
    room = count
    for path in image_files(folder):
        images.append(read_image(path, shape, preprocess)[:room])
        if room is not None:
            room -= len(images[-1])
            if not room:
                break
    return torch.cat(images)
