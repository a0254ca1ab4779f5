"""Which parts of a block the array makes while the depthwise engine is at work on others."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from golden.qnetwork import QConv, QLayer, QLinear
from vitaccel.compile.lower.homes import Home, row_pixels
from vitaccel.compile.pieces import even_blocks
from vitaccel.config import AcceleratorConfig
from vitaccel.windows import KERNELS, STRIDES

__all__ = ["Overlap", "on_engine", "overlaps", "row_bands"]

COMMON = 3  # times as many rows in a band as it has in common with the next
PARTS = 16  # into which channels are divided: the array waits for the last of them alone


class Overlap(NamedTuple):
    """How a depthwise convolution is divided into parts, between the products before and after.

    A part is a band of rows of pixels, of all channels; or, of results that are a single band or
    next to weights that cannot stay on chip from band to band, ``words`` words of channels. In the
    program, what a part reads comes just before it, and what reads it after the next one: so the
    array has work while the engine makes a part.
    """

    layer: QConv
    bands: Sequence[int]  # rows of pixels of each
    n_words: int  # of all channels
    words: int
    by_words: bool

    def part(self, images: int, image: int, band: int, word: int) -> int:
        """Number of a part, if ``images`` go together."""
        return (word // self.words * images + image) * len(self.bands) + band

    def before(self, images: int, image: int, row: int, word: int) -> float:
        """Slot of input from row ``row`` of an image and channel word ``word`` on."""
        layer = self.layer
        top = row // layer.width + layer.padding - layer.kernel + 1  # of the last window above it
        return self.part(images, image, self._band(max(0, -(-top // layer.stride))), word) - 0.5

    def after(self, images: int, image: int, row: int) -> float:
        """Slot of what reads results up to row ``row`` of an image."""
        return self.part(images, image, self._band(row // row_pixels(self.layer)), 0) + 2.25

    def whole(self, images: int, image: int, row: int, layer: QLayer) -> float:
        """Slot in which what ``layer`` makes is whole up to row ``row`` of an image."""
        last, own = self.n_words - 1, self.layer
        if layer.name == own.x:
            return self.before(images, image, row, last) + 0.125
        if layer.name == own.name:
            return self.part(images, image, self._band(row // row_pixels(own)), last) + 0.125
        return self.after(images, image, row) + 0.125

    def _band(self, row: int) -> int:
        """Band of the results with row of pixels ``row``."""
        return min(row // self.bands[0], len(self.bands) - 1)


def on_engine(
    layer: QConv,
    x: QLayer,
    layouts: Mapping[str, np.ndarray],
    home: Mapping[str, Home],
    config: AcceleratorConfig,
) -> bool:
    """Whether the engine has what a convolution of ``x`` needs, but for its size.

    Its bands are in one piece each, which parts of a concatenation need not be.
    """
    return (
        layer.name not in home
        and config.depthwise_taps > 0
        and layer.groups == layer.out.shape[1] == x.out.shape[1]
        and layer.kernel in KERNELS
        and layer.stride in STRIDES
        and layer.residual is None
        and np.array_equal(layouts[layer.x], layouts[layer.name])
    )


def row_bands(layer: QConv, config: AcceleratorConfig) -> list[int]:
    """Rows of pixels of each band of results.

    As many as accumulators hold, but thrice those at least that two bands have in common: the
    engine reads them twice.
    """
    across = row_pixels(layer)
    block = max(1, config.accumulator_rows // across)
    most = block * -(-COMMON * (layer.kernel - layer.stride) // block)
    return even_blocks(layer.out.shape[0] // across, max(block, most))


def overlaps(
    layers: Mapping[str, QLayer],
    layouts: Mapping[str, np.ndarray],
    home: Mapping[str, Home],
    config: AcceleratorConfig,
) -> dict[str, Overlap]:
    """Overlap of every layer in one: convolutions, the products just before and just after."""
    found: dict[str, Overlap] = {}
    in_order = list(layers.values())
    for n, (former, layer) in enumerate(pairwise(in_order)):
        if not isinstance(layer, QConv) or not isinstance(former, QLinear):
            continue
        if former.name != layer.x or not on_engine(layer, former, layouts, home, config):
            continue
        neighbours = [former]
        after = in_order[n + 2] if n + 2 < len(in_order) else None
        if isinstance(after, QLinear) and after.x == layer.name:
            neighbours.append(after)
        bands, words = row_bands(layer, config), len(layouts[layer.name]) // config.rows
        weights = sum(_weight_words(each, layouts, config) for each in neighbours)
        by_words = len(bands) == 1 or 2 * weights > config.weight_words
        each = max(1, words // PARTS) if by_words else words
        overlap = Overlap(layer, bands, words, each, by_words)
        members = (layer, former) if by_words else (layer, *neighbours)
        found |= {member.name: overlap for member in members}
    return found


def _weight_words(
    layer: QLinear,
    layouts: Mapping[str, np.ndarray],
    config: AcceleratorConfig,
) -> int:
    """Words of its weights at most."""
    inputs, outputs = (len(layouts[name]) // config.rows for name in (layer.x, layer.name))
    everywhere = -(-outputs // config.groups) * config.weight_tile_words
    uniform = -(-outputs // config.wide_groups) * config.wide_groups * config.rows
    return inputs * max(everywhere, uniform)
