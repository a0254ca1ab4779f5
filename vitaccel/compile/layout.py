"""Where the channels of a tensor lie in the words of a row."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from golden.qnetwork import QNetwork
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
    return {
        layer.name: plain_layout(layer.out.shape[1], config.rows)
        for layer in network.layers
        if len(layer.out.shape) == 2
    }
