"""Folders of labelled images: one folder per class, as ImageNet has them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from golden.datasets.digits import Split
from golden.datasets.folder import image_files
from golden.datasets.image_file import read_image
from golden.preprocess import Preprocess
from vitaccel.errors import ConfigError

__all__ = ["Labelled", "labelled_files", "read_labelled"]

BATCH = 16  # files read at once


class Labelled(NamedTuple):
    """A file of images of one class."""

    path: Path
    label: int


def labelled_files(folder: Path, n_classes: int, names: Sequence[str] = ()) -> list[Labelled]:
    """List the files of all classes, without reading them.

    Parameters
    ----------
    folder
        With one subfolder per class: some of ``names``, or ``n_classes`` of any names, which then
        number the classes in alphabetical order. Files and hidden folders in it are ignored.
    names
        Of the classes, where they are known.

    Raises
    ------
    ConfigError
        The folder is missing, its subfolders are not the classes, or one has no images.
    """
    if not folder.is_dir():
        raise ConfigError(f"image folder {folder} does not exist")
    parts = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if parts and {part.name for part in parts} <= set(names):
        labels = [names.index(part.name) for part in parts]
    elif len(parts) == n_classes:
        labels = list(range(n_classes))
    else:
        raise ConfigError(
            f"image folder {folder} must have one subfolder for each of the {n_classes} classes"
            f"{', or some that bear their names' if names else ''}, not {len(parts)}"
        )
    return [
        Labelled(path, label)
        for part, label in zip(parts, labels, strict=True)
        for path in image_files(part)
    ]


def read_labelled(
    files: Sequence[Labelled], shape: tuple[int, int, int], preprocess: Preprocess | None = None
) -> Iterator[Split]:
    """Read the images batch by batch; ``shape`` and ``preprocess`` as of `read_image`."""
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        images = [read_image(file.path, shape, preprocess) for file in batch]
        labels = [torch.full((len(x),), file.label) for x, file in zip(images, batch, strict=True)]
        yield Split(torch.cat(images), torch.cat(labels))
