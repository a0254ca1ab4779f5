"""Layers that only move data: patches, constants, slices."""

import numpy as np

from golden.qnetwork import QConstant, QLayer, QPatches, QSlice
from vitaccel import isa
from vitaccel.compile.instruction import Instruction, View
from vitaccel.compile.lower.state import Lowering, Step, Stored
from vitaccel.errors import ConfigError

__all__ = ["constant", "patches", "slice_view"]


def patches(low: Lowering, layer: QPatches) -> None:
    """Image patches come from the host, one patch a row, block by block."""
    low.input_loads = _loads(low, layer)


def constant(low: Lowering, layer: QConstant) -> None:
    """Tokens that don't depend on the image: class token, position embedding."""
    loads = _loads(low, layer)
    (stored,) = low.stored[layer.name]
    value = low.tensor(layer, "value")
    lanes = np.where(stored.channels >= 0, value[:, stored.channels], 0) & 255
    shape = (stored.view.rows, stored.view.words, low.config.rows)
    data, row = lanes.astype(np.uint8).reshape(shape), 0
    for load in loads:
        low.constants[load] = data[row : row + load.fields["n_rows"]]
        row += load.fields["n_rows"]


def _loads(low: Lowering, layer: QLayer) -> list[Instruction]:
    """LOADs of the rows of a tensor, in order."""
    channels = low.layouts[layer.name]
    view = low.new(layer.name, layer.out, len(channels) // low.config.rows)
    low.stored[layer.name] = [Stored(view, channels)]
    loads = []
    for block in low.row_blocks(view):
        fields = {
            "local_stride": block.buffer.words,
            "n_rows": block.rows,
            "n_words": block.words,
            "space": int(block.buffer.space),
        }
        places = {"local": block}
        loads.append(Instruction(isa.Op.LOAD, layer.name, fields, places, writes=(block,)))
        low.emit(Step(loads[-1]))
    return loads


def slice_view(low: Lowering, layer: QSlice) -> None:
    """Rows or whole words of another tensor; no instruction.

    Raises
    ------
    ConfigError
        If the channels do not fill whole words.
    """
    (source,) = low.stored[layer.x]
    view, channels, rows = source.view, source.channels, low.config.rows
    if layer.axis == 0:
        n_rows = layer.stop - layer.start
        view = View(view.buffer, view.row + layer.start, n_rows, view.word, view.words)
    else:
        inside = np.flatnonzero((channels >= layer.start) & (channels < layer.stop))
        first, last = int(inside[0]) // rows, int(inside[-1]) // rows + 1
        chosen = channels[first * rows : last * rows]
        if np.any((chosen >= 0) & ((chosen < layer.start) | (chosen >= layer.stop))):
            raise ConfigError(
                f"layer {layer.name} takes channels {layer.start} to {layer.stop}, which share "
                f"a word with others; use rows that divide {layer.start} and {layer.stop}"
            )
        view = View(view.buffer, view.row, view.rows, view.word + first, last - first)
        channels = np.where(chosen >= 0, chosen - layer.start, -1)
    low.stored[layer.name] = [Stored(view, channels)]
