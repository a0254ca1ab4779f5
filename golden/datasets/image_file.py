"""One file of images: a picture or arrays."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from golden.preprocess import Preprocess
from vitaccel.errors import ConfigError

__all__ = ["KINDS", "read_image"]

PICTURES = (".png", ".jpg", ".jpeg")
KINDS = (*PICTURES, ".npy", ".npz")
MODES = {1: "L", 3: "RGB"}  # Pillow's name by number of channels
MOST_PIXELS = 1 << 26  # of a resized picture: a line of pixels would fill the memory
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    zipfile.BadZipFile,
    Image.DecompressionBombError,
)


def read_image(
    path: Path, shape: tuple[int, int, int], preprocess: Preprocess | None = None
) -> Tensor:
    """Images of one file, as the model takes them.

    Parameters
    ----------
    path
        PNG or JPEG of 8 bits per channel, or NumPy arrays ``[.., channels, height, width]`` (each
        array of an ``.npz``).
    shape
        Channels, height and width that the model takes.
    preprocess
        For pictures of another size; without it they are refused, as arrays always are.

    Returns
    -------
    Tensor
        float32 ``[n, *shape]``; integers 0..255 become 0..1, floats of arrays stay as they are.

    Raises
    ------
    ConfigError
        The file is missing, broken, of another size, or has NaN.
    """
    try:
        if path.suffix.lower() in PICTURES:
            arrays = [_picture(path, shape, preprocess)]
        else:
            arrays = _arrays(path)
    except BROKEN as bad:
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


def _arrays(path: Path) -> list[np.ndarray]:
    with path.open("rb") as file:
        loaded = np.load(file, allow_pickle=False)
        arrays = [loaded] if isinstance(loaded, np.ndarray) else [*loaded.values()]
    if not arrays:
        raise ValueError("no arrays in it")
    if any(array.dtype.kind not in "fiub" for array in arrays):
        raise ValueError("no numbers in it")
    return arrays


def _picture(path: Path, shape: tuple[int, int, int], preprocess: Preprocess | None) -> np.ndarray:
    channels, height, width = shape
    with Image.open(path) as image:
        if image.mode not in {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"}:
            raise ValueError(f"pixels must have 8 bits per channel, not mode {image.mode}")
        if channels not in MODES:
            raise ValueError(f"a model with {channels} channels needs arrays, not pictures")
        picture = image.convert(MODES[channels])
    if preprocess is not None and picture.size != (width, height):
        picture = _fit(picture, height, width, preprocess)
    pixels = np.asarray(picture)
    return pixels.reshape(*pixels.shape[:2], channels).transpose(2, 0, 1)


def _fit(picture: Image.Image, height: int, width: int, how: Preprocess) -> Image.Image:
    """Resize and cut out the centre; unchanged if it would be too small for that."""
    tall, wide = how.resized(picture.height, picture.width)
    top, left = (tall - height) // 2, (wide - width) // 2
    if top < 0 or left < 0:
        return picture
    if tall * wide > MOST_PIXELS:
        raise ValueError(f"it would be resized to {tall} x {wide} pixels")
    resized = picture.resize((wide, tall), Image.Resampling[how.resample.upper()])
    return resized.crop((left, top, left + width, top + height))
