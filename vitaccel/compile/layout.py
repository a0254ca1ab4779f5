"""Where the channels of a tensor lie in the words of a row."""

from collections.abc import Mapping

import numpy as np

from golden.qnetwork import QMatMul, QNetwork, QSlice
from vitaccel.config import AcceleratorConfig

__all__ = ["channel_layouts", "head_layout", "plain_layout"]


def plain_layout(n_channels: int, rows: int) -> np.ndarray:
    """Channel at each lane of a row's words, in order; -1 pads the last word."""
    padded = -(-n_channels // rows) * rows
    channel = np.arange(padded)
    return np.where(channel < n_channels, channel, -1)


def head_layout(n_channels: int, heads: int, rows: int) -> np.ndarray:
    """Like `plain_layout`, every head of ``n_channels / heads`` beginning a new word."""
    dim = n_channels // heads
    one = plain_layout(dim, rows)
    return np.concatenate([np.where(one < 0, -1, one + head * dim) for head in range(heads)])


def channel_layouts(network: QNetwork, config: AcceleratorConfig) -> Mapping[str, np.ndarray]:
    """Layout of every tensor ``[tokens, channels]``: by heads where attention reads it so."""
    by_name = {layer.name: layer for layer in network.layers}
    heads: dict[str, list[tuple[int, int, int]]] = {}  # tensor -> (first channel, width, heads)
    for layer in network.layers:
        if not isinstance(layer, QMatMul):
            continue
        for operand in (layer.a, layer.b) if layer.transpose_b else (layer.b, layer.name):
            name, start = operand, 0
            width = by_name[operand].out.shape[-1]
            while isinstance(source := by_name[name], QSlice):
                start += source.start if source.axis == 1 else 0
                name = source.x
            heads.setdefault(name, []).append((start, width, layer.heads))
    layouts = {}
    for layer in network.layers:
        if len(layer.out.shape) != 2:
            continue
        n_channels = layer.out.shape[1]
        parts, at = [], 0
        for start, width, count in sorted(set(heads.get(layer.name, []))):
            if start < at:
                continue
            parts += [plain_layout(start - at, config.rows) + at] if start > at else []
            part = head_layout(width, count, config.rows)
            parts.append(np.where(part < 0, -1, part + start))
            at = start + width
        if at < n_channels:
            rest = plain_layout(n_channels - at, config.rows)
            parts.append(np.where(rest < 0, -1, rest + at))
        layouts[layer.name] = np.concatenate(parts)
    return layouts
