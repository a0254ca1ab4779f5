"""Folders of images, as calibration takes them."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vitaccel.errors import ConfigError, ToolError

__all__ = ["read_folder"]

PICTURES = (".png", ".jpg", ".jpeg")
ARRAYS = (".npy", ".npz")
MODES = {1: "L", 3: "RGB"}  # Pillow's name by number of channels


def read_folder(folder: Path, shape: tuple[int, int, int]) -> Tensor:
    """Read every image of a folder, in the order of the file names.

    Parameters
    ----------
    folder
        With PNG or JPEG of 8 bits per channel, or NumPy arrays ``[.., channels, height, width]``
        (each array of an ``.npz``); other files and folders in it are ignored.
    shape
        Channels, height and width that the model takes.

    Returns
    -------
    Tensor
        float32 ``[n, channels, height, width]``; integers 0..255 become 0..1, floats of arrays
        stay as they are, so images that a model wants normalised are best given as arrays.

    Raises
    ------
    ConfigError
        The folder is missing or has no images; a file is broken, of another size, or has NaN.
    ToolError
        There are PNG or JPEG, but Pillow is not installed.
    """
    if not folder.is_dir():
        raise ConfigError(f"image folder {folder} does not exist")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES + ARRAYS)
    if not files:
        known = ", ".join(PICTURES + ARRAYS)
        raise ConfigError(f"image folder {folder} must have images ({known}), not none")
    return torch.cat([_read(path, shape) for path in files])


def _read(path: Path, shape: tuple[int, int, int]) -> Tensor:
    """Images of one file, ``[n, *shape]``."""
    read = _picture if path.suffix.lower() in PICTURES else _arrays
    try:
        arrays = read(path, shape[0])
    except (OSError, EOFError, ValueError, SyntaxError, zipfile.BadZipFile) as bad:
        raise ConfigError(f"image {path} is broken: {bad}") from bad
    for array in arrays:
        if array.shape[-3:] != shape or array.ndim > 4:
            wanted, got = (" x ".join(map(str, size)) for size in (shape, array.shape))
            raise ConfigError(f"image {path} must be {wanted} (channels first), not {got}")
        if not np.isfinite(array).all():
            raise ConfigError(f"image {path} has NaN or infinite values")
    return torch.cat([_to_float(array).reshape(-1, *shape) for array in arrays])


def _to_float(array: np.ndarray) -> Tensor:
    is_float = np.issubdtype(array.dtype, np.floating)
    return torch.from_numpy(array.astype(np.float32) / (1 if is_float else 255))


def _arrays(path: Path, channels: int) -> list[np.ndarray]:
    with path.open("rb") as file:
        loaded = np.load(file, allow_pickle=False)
        arrays = [loaded] if isinstance(loaded, np.ndarray) else [*loaded.values()]
    if not arrays:
        raise ValueError("no arrays in it")
    if any(array.dtype.kind not in "fiub" for array in arrays):
        raise ValueError("no numbers in it")
    return arrays


def _picture(path: Path, channels: int) -> list[np.ndarray]:
    try:
        from PIL import Image
    except ModuleNotFoundError as missing:
        raise ToolError("Pillow is not installed; get it with: pip install pillow") from missing
    with Image.open(path) as image:
        if image.mode not in {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"}:
            raise ValueError(f"pixels must have 8 bits per channel, not mode {image.mode}")
        if channels not in MODES:
            raise ValueError(f"a model with {channels} channels needs arrays, not pictures")
        pixels = np.asarray(image.convert(MODES[channels]))
    return [pixels.reshape(*pixels.shape[:2], channels).transpose(2, 0, 1)]
