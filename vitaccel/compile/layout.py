"""Where the channels of a tensor lie in the words of a row."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from golden.qnetwork import QConcat, QDivisor, QNetwork
from vitaccel.config import AcceleratorConfig

__all__ = ["HeadWords", "channel_layouts", "head_words", "plain_layout"]


class HeadWords(NamedTuple):
    """Words of a row that hold the channels of one head, and lanes of others in the outer two."""

    first: int
    words: int
    lanes_before: int
    lanes_after: int


def head_words(n_channels: int, heads: int, head: int, rows: int) -> HeadWords:
    """Where head ``head`` lies in a plain row: it need not begin or end with a word."""
    dim = n_channels // heads
    first, last = head * dim // rows, -(-(head + 1) * dim // rows)
    return HeadWords(first, last - first, head * dim - first * rows, last * rows - (head + 1) * dim)


def plain_layout(n_channels: int, rows: int) -> np.ndarray:
    """Channel at each lane of a row's words, in order; -1 pads the last word."""
    channel = np.arange(-(-n_channels // rows) * rows)
    return np.where(channel < n_channels, channel, -1)


def channel_layouts(network: QNetwork, config: AcceleratorConfig) -> Mapping[str, np.ndarray]:
    """Layout of every tensor ``[tokens, channels]``."""
    rows, found = config.rows, dict[str, np.ndarray]()
    for layer in network.layers:
        if isinstance(layer, QDivisor):
            found[layer.name] = _divisor_layout(layer, found[layer.q])
        elif isinstance(layer, QConcat) and layer.axis == 1:
            found[layer.name] = _side_by_side([found[part] for part in layer.parts])
        elif len(layer.out.shape) == 2:
            found[layer.name] = plain_layout(layer.out.shape[1], rows)
    return found


def _side_by_side(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Layout of a concatenation of channels: each part begins with a word."""
    first, lanes = 0, list[np.ndarray]()
    for part in parts:
        lanes.append(np.where(part >= 0, part + first, -1))
        first += int(part.max()) + 1
    return np.concatenate(lanes)


def _divisor_layout(layer: QDivisor, query: np.ndarray) -> np.ndarray:
    """Codes are in all lanes of their head, those of reciprocals again and again in four.

    They count as those of the first lanes.
    """
    dim = int(query.max() + 1) // layer.heads
    codes = layer.out.shape[1] // layer.heads  # of a head
    lane = query % dim
    return np.where(lane < codes, lane * layer.heads + query // dim, -1)
