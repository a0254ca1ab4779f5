"""Layers that only move data: patches, constants, slices."""

from dataclasses import replace

import numpy as np

from golden.qnetwork import QConstant, QLayer, QPatches, QSlice
from vitaccel import isa
from vitaccel.compile.instruction import Instruction
from vitaccel.compile.lower.state import Lowering, Step
from vitaccel.compile.lower.transfer import transfer
from vitaccel.compile.pieces import Stored, cut_each
from vitaccel.errors import ConfigError

__all__ = ["constant", "patches", "slice_view"]


def patches(low: Lowering, layer: QPatches) -> None:
    """Image patches come from the host, one patch a row, block by block."""
    low.input_loads += _loads(low, layer)
    low.channels[layer.name, 0] = low.layouts[layer.name]


def constant(low: Lowering, layer: QConstant) -> None:
    """Tokens that don't depend on the image: class token, position embedding."""
    loads = _loads(low, layer)
    (stored,) = low.stored[layer.name]
    value = low.tensor(layer, "value")
    lanes = np.where(stored.channels >= 0, value[:, stored.channels], 0) & 255
    data, row = lanes.astype(np.uint8).reshape(len(value), -1, low.config.rows), 0
    for load in loads:
        n_rows = load.fields["n_rows"]
        low.constants[load] = low.shared(None, layer.name, data[row : row + n_rows])
        row = (row + n_rows) % len(data)


def _loads(low: Lowering, layer: QLayer) -> list[Instruction]:
    """LOADs of the rows of a tensor, in order."""
    pieces = low.new(layer.name, layer.out)
    low.stored[layer.name] = [Stored(pieces, low.layouts[layer.name])]
    loads = [transfer(isa.Op.LOAD, layer.name, piece) for piece in pieces]
    for load in loads:
        low.emit(Step(load, late=low.images.start > 0))
    return loads


def slice_view(low: Lowering, layer: QSlice) -> None:
    """Rows or whole words of another tensor; no instruction.

    Raises
    ------
    ConfigError
        If the channels do not fill whole words.
    """
    if layer.name in low.outlast:
        return  # made row by row, see `rows.layernorm`
    (source,) = low.stored[layer.x]
    pieces, channels, rows = source.pieces, source.channels, low.config.rows
    if layer.axis == 0:
        pieces = cut_each(pieces, len(low.images), layer.start, layer.stop)
    else:
        inside = np.flatnonzero((channels >= layer.start) & (channels < layer.stop))
        first, last = int(inside[0]) // rows, int(inside[-1]) // rows + 1
        chosen = channels[first * rows : last * rows]
        if np.any((chosen >= 0) & ((chosen < layer.start) | (chosen >= layer.stop))):
            raise ConfigError(
                f"layer {layer.name} takes channels {layer.start} to {layer.stop}, which share "
                f"a word with others; use rows that divide {layer.start} and {layer.stop}"
            )
        pieces = tuple(replace(p, word=p.word + first, words=last - first) for p in pieces)
        channels = np.where(chosen >= 0, chosen - layer.start, -1)
    low.stored[layer.name] = [Stored(pieces, channels)]
