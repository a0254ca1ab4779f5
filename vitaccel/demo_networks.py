"""The networks that `vitaccel demo` shows, and images for them."""

from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from golden.network import Network
from vitaccel.errors import ConfigError
from vitaccel.sources import Images, load_images, load_labelled

__all__ = ["CALIBRATION", "DEMOS", "Demo", "demo_images", "find_demo"]

CALIBRATION = 256  # training images that scales are chosen on
MOST = 360  # held-out images


class Demo(NamedTuple):
    """A shipped model, what suits it, and how many images take about a minute in RTL."""

    model: str
    config: str
    scheme: str
    n_images: int


DEMOS = {
    "digits": Demo("digits", "demo", "mixed", 64),
    "efficientvit": Demo("cifar10", "efficientvit", "m2q", 4),
}


def find_demo(name: str) -> Demo:
    """The demo called ``name``.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in DEMOS:
        raise ConfigError(f"network must be {' or '.join(DEMOS)}, not {name!r}")
    return DEMOS[name]


def demo_images(network: Network, folder: Path | None) -> tuple[Tensor, Images]:
    """Images to choose scales on, and held-out ones, at most `MOST`.

    Parameters
    ----------
    folder
        With CIFAR-10's binary version. Without, the images are digits: for a network that takes
        larger ones in colour as magnified pictures, whose classes it does not know.

    Raises
    ------
    ConfigError
        If the folder holds no images of the network's shape.
    """
    shape = network.layers[0].shape
    if folder is not None:
        calibration = load_images(str(folder), shape, CALIBRATION).images
        batches = list(chain(load_labelled(str(folder), network, None).batches))
        images, labels = (torch.cat(parts)[:MOST] for parts in zip(*batches, strict=True))
        return calibration, Images(images, labels)
    calibration = load_images("digits:train", (1, 8, 8), CALIBRATION).images
    test = load_images("digits", (1, 8, 8), MOST)
    if list(shape) == [1, 8, 8]:
        return calibration, test
    return _magnified(calibration, shape), Images(_magnified(test.images, shape), None)


def _magnified(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    return functional.interpolate(images, tuple(shape[1:])).expand(-1, shape[0], -1, -1)
